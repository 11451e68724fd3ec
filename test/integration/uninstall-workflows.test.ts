import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import {
  consentWorkflowId,
  LIFECYCLE_TASK_QUEUE,
  operationWorkflowId,
  purgeWorkflowId,
} from '../../core/ids.ts';
import { PlatformError } from '../../core/errors.ts';
import { createInstallOperationStore } from '../../platform/db/install-operations.ts';
import { purgeNowSignal, type OperateInstallInput } from '../../workflows/messages.ts';
import { cancelAt } from '../support/cancel-at.ts';
import { eventually } from '../support/eventually.ts';
import { installInput } from '../support/fake-install.ts';
import { startLifecycleEnvironment, type LifecycleEnvironment } from '../support/lifecycle-environment.ts';
import { openInput, seedExecution } from '../support/seed.ts';
import { failureCode, stepStatuses } from '../support/workflow-environment.ts';

const UNINSTALL = ['stopInstall', 'cancelOperation', 'drainInstall', 'uninstallInstall'];
const RESTORE = ['restoreInstall', 'warmInstall', 'probeInstall', 'enableInstall'];
const PURGE = ['readPurge', 'beginPurge', 'purgeExecutions', 'purgeRecords', 'finishPurge'];
const DONE = { status: 'succeeded', http_status: 200, duration_ms: 1 };

let on: LifecycleEnvironment;
let install: OperateInstallInput & { versionId: string };
beforeAll(async () => {
  on = await startLifecycleEnvironment('uninstall_workflows');
});
afterAll(() => on.stop());
beforeEach(async () => {
  on.reset();
  install = await on.installed();
});

const own = () => ({ tenant_id: install.tenantId, install_id: install.installId });
const row = () => on.find(install);
const uninstall = async (): Promise<unknown> => (await on.begin('uninstall', install)).result();
const restore = async (): Promise<unknown> => (await on.begin('restore', install)).result();
const purge = () => on.client.workflow.getHandle(purgeWorkflowId(install.installId));

/** Something in every table that knows of the install; answers how much there is. */
async function fill(): Promise<void> {
  const { tenantId, versionId } = install;
  await on.db('extension_storage_record').insert(
    Array.from({ length: 1_100 }, (_none, at) => ({
      ...own(),
      namespace: 'n',
      key: String(at),
      value: Buffer.from('v'),
      revision: 1,
    })),
  );
  await on
    .db('tenant_extension_install_config')
    .insert({ ...own(), version_id: versionId, config: '{}', version: 1 });
  await on.db('tenant_extension_install_secrets').insert({ ...own(), name: 'T', sealed: 's', key_id: 'k' });
  const grant = { capability: 'storage.kv', scope: '{}', granted_by: 'key' };
  await on.db('tenant_extension_grant').insert({ ...own(), version_id: versionId, ...grant });
  const draft = { draft_id: randomUUID(), version_id: versionId, expires_at: new Date(Date.now() + 60_000) };
  await on.db('install_draft').insert({ ...own(), ...draft });
  await seedExecution(on.db, tenantId, install);
  await on.db('extension_execution_log').where(own()).update(DONE);
}

async function left(): Promise<Record<string, number>> {
  const tables = [
    'extension_storage_record',
    'extension_storage_usage',
    'tenant_extension_install_config',
    'tenant_extension_install_secrets',
    'tenant_extension_grant',
    'install_draft',
    'extension_execution_log',
  ];
  const counts = tables.map(async (table) => {
    const [{ count }] = (await on.db(table).where(own()).count({ count: '*' })) as [{ count: number }];
    return [table, count] as const;
  });
  return Object.fromEntries((await Promise.all(counts)).filter(([, count]) => count > 0));
}

describe('an uninstall', () => {
  it.each([false, true])(
    'ends the install and leaves what it holds to its purge (answers lost: %s)',
    async (lost) => {
      await fill();
      if (lost) for (const activity of UNINSTALL) on.lost.add(activity);
      await uninstall();
      const calls = on.calls.filter((name) => !PURGE.includes(name));
      expect(calls).toEqual(UNINSTALL.flatMap((activity) => (lost ? [activity, activity] : [activity])));
      const ended = await row();
      expect(ended).toMatchObject({ status: 'uninstalled', purgeAt: expect.any(Date) });
      expect(ended).not.toHaveProperty('operation');
      expect(stepStatuses(ended ?? {})).toEqual({
        stop: 'done',
        cancel: 'done',
        drain: 'done',
        uninstall: 'done',
      });
      expect((await purge().describe()).status.name).toBe('RUNNING');
      expect(Object.keys(await left())).toHaveLength(7);
      await purge().terminate();
    },
  );

  it('that is cancelled while it waits leaves a row that says so, and can be asked for again or taken back', async () => {
    const draining = Promise.withResolvers<undefined>();
    const released = Promise.withResolvers<undefined>();
    on.before = async (name) => {
      if (name !== 'drainInstall') return;
      draining.resolve(undefined);
      await released.promise;
    };
    const first = await on.begin('uninstall', install);
    await draining.promise;
    await first.cancel();
    released.resolve(undefined);
    await failureCode(first.result());
    on.reset();
    const stopped = await row();
    expect(stopped).toMatchObject({ status: 'uninstalling', error: { code: 'OPERATION_CANCELLED' } });
    expect(stopped).not.toHaveProperty('operation');
    await restore();
    expect(await row()).toMatchObject({ status: 'active' });
    await uninstall();
    expect(await row()).toMatchObject({ status: 'uninstalled' });
    await purge().terminate();
  });

  it('of an install that waits for consent ends the wait, and nothing of it stays', async () => {
    const waiting = { ...install, installId: randomUUID() };
    await on.db('tenant_extension_install').where(own()).delete();
    install = waiting;
    const { tenantId, extensionId, installId, versionId } = install;
    const operations = createInstallOperationStore(on.db);
    await operations.open(tenantId, openInput({ installId, extensionId, versionId }));
    await operations.wait(tenantId, installId, versionId, { waitingFor: 'consent', runId: 'run', steps: [] });
    const consent = await on.client.workflow.start('awaitConsent', {
      workflowId: consentWorkflowId(installId, versionId),
      taskQueue: LIFECYCLE_TASK_QUEUE,
      args: [
        {
          install: { ...install, ...installInput(), tenantId, extensionId, installId, versionId },
          requested: [],
          steps: [],
        },
      ],
    });
    await uninstall();
    expect((await consent.describe()).status.name).toBe('CANCELLED');
    expect(await purge().result()).toBe('purged');
    const ended = await row();
    expect(ended).toMatchObject({ status: 'uninstalled' });
    expect(ended).not.toHaveProperty('purgeAt');
    expect(await left()).toEqual({});
    expect(await failureCode(restore())).toBe('STATE_CONFLICT');
  });
});

const workflow = (kind: 'uninstall' | 'restore') =>
  on.client.workflow.getHandle(operationWorkflowId(kind, install));

it.each(['stopInstall', 'cancelOperation', 'drainInstall'])(
  'an uninstall that is cancelled at %s has stopped calls, says so, and is done when it is asked for again',
  async (activity) => {
    await cancelAt(on, activity, () => workflow('uninstall'), uninstall);
    const stopped = await row();
    expect(stopped).toMatchObject({ status: 'uninstalling', error: { code: 'OPERATION_CANCELLED' } });
    expect(stopped).not.toHaveProperty('operation');
    on.reset();
    await uninstall();
    expect(await row()).toMatchObject({ status: 'uninstalled', purgeAt: expect.any(Date) });
    await purge().terminate();
  },
);

it('an uninstall that is cancelled at its last activity is done, and its purge waits', async () => {
  await cancelAt(on, 'uninstallInstall', () => workflow('uninstall'), uninstall);
  expect(await row()).toMatchObject({ status: 'uninstalled', purgeAt: expect.any(Date) });
  expect((await purge().describe()).status.name).toBe('RUNNING');
  await purge().terminate();
});

it.each([
  ['restoreInstall', 'disabled'],
  ['warmInstall', 'disabled'],
  ['probeInstall', 'disabled'],
  ['enableInstall', 'active'],
])(
  'a restore that is cancelled at %s leaves the install %s, with nothing to purge',
  async (activity, status) => {
    await fill();
    const before = await left();
    await uninstall();
    await cancelAt(on, activity, () => workflow('restore'), restore);
    const found = await row();
    expect(found).toMatchObject({ status });
    if (status === 'disabled') expect(found).toMatchObject({ error: { code: 'OPERATION_CANCELLED' } });
    expect(found).not.toHaveProperty('operation');
    expect(found).not.toHaveProperty('purgeAt');
    await eventually(async () => expect((await purge().describe()).status.name).not.toBe('RUNNING'));
    expect(await left()).toEqual(before);
  },
);

it.each(PURGE)(
  'a purge that is cancelled at %s is still due, and another one removes everything',
  async (activity) => {
    await fill();
    await uninstall();
    await cancelAt(on, activity, purge, async () => {
      await purge().signal(purgeNowSignal);
      await purge().result();
    });
    on.reset();
    const { tenantId, installId } = install;
    const due = await row();
    if (due?.purgeAt) {
      const another = { workflowId: purgeWorkflowId(installId), taskQueue: LIFECYCLE_TASK_QUEUE };
      const handle = await on.client.workflow.start('purgeInstall', {
        ...another,
        args: [{ tenantId, installId }],
      });
      await handle.signal(purgeNowSignal);
      expect(await handle.result()).toBe('purged');
    }
    expect(await left()).toEqual({});
    expect(await row()).not.toHaveProperty('purgeAt');
  },
);

describe('a restore', () => {
  it.each([false, true])(
    'makes the install what it was, and its purge ends (answers lost: %s)',
    async (lost) => {
      await fill();
      const before = await left();
      await uninstall();
      on.calls.length = 0;
      if (lost) for (const activity of RESTORE) on.lost.add(activity);
      await restore();
      const calls = on.calls.filter((name) => !PURGE.includes(name));
      expect(calls).toEqual(RESTORE.flatMap((activity) => (lost ? [activity, activity] : [activity])));
      const restored = await row();
      expect(restored).toMatchObject({ status: 'active', activeVersionId: install.versionId });
      expect(restored).not.toHaveProperty('purgeAt');
      expect(restored).not.toHaveProperty('operation');
      expect(await purge().result()).toBe('kept');
      expect(await left()).toEqual(before);
    },
  );

  it('that cannot let the version serve leaves the install disabled, with the reason', async () => {
    await uninstall();
    on.before = (name) => {
      if (name === 'warmInstall') throw new PlatformError('HEALTH_CHECK_FAILED', 'it does not start');
    };
    expect(await failureCode(restore())).toBe('HEALTH_CHECK_FAILED');
    expect(await row()).toMatchObject({ status: 'disabled', error: { code: 'HEALTH_CHECK_FAILED' } });
  });
});

describe('a purge', () => {
  it.each([false, true])(
    'removes everything but the row when the grace is given up (answers lost: %s)',
    async (lost) => {
      await fill();
      await uninstall();
      if (lost) for (const activity of PURGE) on.lost.add(activity);
      await purge().signal(purgeNowSignal);
      expect(await purge().result()).toBe('purged');
      expect(await left()).toEqual({});
      const ended = await row();
      expect(ended).toMatchObject({ status: 'uninstalled' });
      expect(ended).not.toHaveProperty('purgeAt');
    },
  );

  it('follows at once when it is asked for with the uninstall, also of one that had begun without', async () => {
    const held = Promise.withResolvers<undefined>();
    on.before = (name) => (name === 'drainInstall' ? held.promise.then(() => undefined) : undefined);
    const removing = await on.begin('uninstall', install);
    await eventually(() => expect(on.calls).toContain('drainInstall'));
    await on.client.workflow.getHandle(operationWorkflowId('uninstall', install)).signal(purgeNowSignal);
    held.resolve(undefined);
    await removing.result();
    expect(await purge().result()).toBe('purged');
    expect(await row()).not.toHaveProperty('purgeAt');
  });
});
