import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { WithStartWorkflowOperation, type WorkflowHandle } from '@temporalio/client';
import { PlatformError } from '../../core/errors.ts';
import {
  consentWorkflowId,
  installWorkflowId,
  LIFECYCLE_TASK_QUEUE,
  settingsWorkflowId,
} from '../../core/ids.ts';
import { createInstallDraftStore } from '../../platform/db/install-drafts.ts';
import {
  consentUpdate,
  installOpenedUpdate,
  settingsUpdate,
  type InstallExtensionInput,
} from '../../workflows/messages.ts';
import { beginConfigure } from '../support/fake-install.ts';
import { beginVersion } from '../support/begin-operation.ts';
import { eventually } from '../support/eventually.ts';
import { startLifecycleEnvironment, type LifecycleEnvironment } from '../support/lifecycle-environment.ts';
import { seedTenant, seedVersion } from '../support/seed.ts';
import { cancelAt } from '../support/cancel-at.ts';
import { failureCode } from '../support/workflow-environment.ts';

/** The warm-up runs beside the two after it here. */
const INSTALL = [
  'openInstall',
  'warmInstall',
  'grantCapabilities',
  'applyDraft',
  'probeInstall',
  'activateInstall',
];
const UNDO = ['clearSettings', 'revokeCapabilities', 'discardDraft', 'endInstall'];
const TABLES = [
  'install_draft',
  'tenant_extension_install_config',
  'tenant_extension_install_secrets',
  'tenant_extension_grant',
];
const NOTHING = [0, 0, 0, 0];

let on: LifecycleEnvironment;
let input: InstallExtensionInput;
beforeAll(async () => {
  on = await startLifecycleEnvironment('install_steps');
});
afterAll(() => on.stop());
beforeEach(async () => {
  on.reset();
  input = await drafted();
});

/** What the gateway prepares for an install of a version that asks for a capability, a setting and a secret. */
async function drafted(required: string[] = []): Promise<InstallExtensionInput> {
  const tenantId = await seedTenant(on.db);
  const version = await seedVersion(on.db, tenantId, {
    publisher: tenantId,
    health: '/health',
    api: { endpoints: [{ method: 'GET', path: '/health', handler: 'health', permission: 'extension:read' }] },
    capabilities: ['storage.kv'],
    settings: { type: 'object', properties: { url: { type: 'string' } }, required },
    secrets: [{ name: 'TOKEN' }],
  });
  const { extensionId, versionId, contentHash } = version;
  const ids = { tenantId, extensionId, versionId, contentHash, version: '1.0.0', extension: 'a.b' };
  const made = { installId: randomUUID(), draftId: randomUUID(), digest: randomUUID() };
  await draft({ ...ids, ...made }, 'install');
  return { ...ids, ...made, consent: 'all', requestedBy: 'key:admin' };
}

function draft(
  ids: Pick<InstallExtensionInput, 'tenantId' | 'installId' | 'versionId' | 'draftId' | 'digest'>,
  kind: 'install' | 'configure',
  config: Record<string, unknown> = {},
): Promise<unknown> {
  const { tenantId, installId, versionId, draftId, digest } = ids;
  return createInstallDraftStore(on.db).create(tenantId, {
    ...{ draftId, installId, versionId, digest, kind, config, replaceSecrets: false, reset: false },
    secrets: { TOKEN: { sealed: draftId, keyId: 'k' } },
    expiresAt: new Date(Date.now() + 60_000),
  });
}

const install = (): Promise<WorkflowHandle> => beginVersion(on.client, 'install', input);
const operation = (): WorkflowHandle =>
  on.client.workflow.getHandle(installWorkflowId(input.tenantId, input.extensionId));
const row = async () => (await on.find({ ...input, installId: input.installId })) ?? {};
const left = (): Promise<number[]> =>
  Promise.all(
    TABLES.map(async (table) => (await on.db(table).where({ install_id: input.installId })).length),
  );

describe('an install', () => {
  it('comes to the same when every activity has worked and its answer was lost', async () => {
    for (const activity of INSTALL) on.lost.add(activity);
    await (await install()).result();
    const inOrder = (calls: string[]): string[] => calls.filter((activity) => activity !== 'warmInstall');
    const twice = INSTALL.flatMap((activity) => [activity, activity]);
    expect(inOrder(on.calls)).toEqual(inOrder(twice));
    expect(on.calls.toSorted()).toEqual(twice.toSorted());
    expect(on.calls.indexOf('probeInstall')).toBeGreaterThan(on.calls.lastIndexOf('warmInstall'));
    expect(await row()).toMatchObject({ status: 'active', configVersion: 1, secretsVersion: 1 });
    expect(await row()).not.toHaveProperty('operation');
    expect(await left()).toEqual([0, 1, 1, 1]);
  });

  it.each(INSTALL.filter((activity) => activity !== 'activateInstall'))(
    'that is cancelled at %s leaves nothing but a row that says so',
    async (activity) => {
      await cancelAt(on, activity, operation, install);
      const found = await row();
      expect(found).toMatchObject({ status: 'failed', error: { code: 'OPERATION_CANCELLED' } });
      expect(found).not.toHaveProperty('operation');
      expect(await left()).toEqual(NOTHING);
    },
  );

  it('shows what runs when it waits for its version to be loaded, and in which attempt that is', async () => {
    const loaded = Promise.withResolvers<{ attempts: number }>();
    let attempts = 0;
    on.runners = {
      ...on.runners,
      warmVersion: () => {
        attempts += 1;
        if (attempts > 1) return loaded.promise;
        return eventually(async () => expect(await row()).toMatchObject({ configVersion: 1 })).then(() => {
          throw new PlatformError('RUNNER_BUSY', 'no sandbox was free');
        });
      },
    };
    const handle = await install();
    const shown = async () =>
      (await on.find(input))?.steps.map(({ name, status, attempts: tries }) => [name, status, tries]);
    const before = [
      ['open', 'done', 1],
      ['consent', 'done', 1],
      ['configure', 'done', 1],
    ];
    await eventually(async () =>
      expect(await shown()).toEqual([
        ...before,
        ['warm', 'running', 2],
        ['probe', 'pending', 0],
        ['activate', 'pending', 0],
      ]),
    );
    loaded.resolve({ attempts: 2 });
    await handle.result();
    expect((await shown())?.[3]).toEqual(['warm', 'done', 2]);
  });

  it('that is cancelled at its last activity is done', async () => {
    await cancelAt(on, 'activateInstall', operation, install);
    expect(await row()).toMatchObject({ status: 'active' });
    expect(await left()).toEqual([0, 1, 1, 1]);
  });

  it.each(INSTALL.slice(1))(
    'that fails at %s leaves nothing, also where answers of its undo are lost',
    async (activity) => {
      on.before = (name) => {
        if (name === activity) throw new PlatformError('HEALTH_CHECK_FAILED', 'answered 500');
      };
      for (const undo of UNDO) on.lost.add(undo);
      expect(await failureCode((await install()).result())).toBe('HEALTH_CHECK_FAILED');
      expect(await row()).toMatchObject({ status: 'failed', error: { code: 'HEALTH_CHECK_FAILED' } });
      expect(await left()).toEqual(NOTHING);
    },
  );
});

describe('an install that waits for a person', () => {
  const waitFor = {
    consent: {
      activity: 'waitForConsent',
      status: 'awaiting-consent',
      prepare: (): Promise<InstallExtensionInput> => Promise.resolve({ ...input, consent: [] }),
      wait: () => on.client.workflow.getHandle(consentWorkflowId(input.installId, input.versionId)),
      declining: ['endInstall', 'discardDraft'],
    },
    settings: {
      activity: 'waitForSettings',
      status: 'awaiting-settings',
      prepare: () => drafted(['url']),
      wait: () => on.client.workflow.getHandle(settingsWorkflowId(input.installId, input.versionId)),
      declining: ['endInstall', 'discardDraft', 'revokeCapabilities'],
    },
  };
  const kinds = ['consent', 'settings'] as const;
  const decline = (kind: 'consent' | 'settings'): Promise<unknown> => {
    const wait = waitFor[kind].wait();
    const by = { decision: 'decline', decidedBy: 'key:other' } as const;
    return kind === 'consent'
      ? wait.executeUpdate(consentUpdate, { args: [by] })
      : wait.executeUpdate(settingsUpdate, { args: [by] });
  };

  it.each(kinds)(
    'for %s does so once, also when the answer to that was lost, or it is cancelled then',
    async (kind) => {
      const { activity, status, prepare, wait } = waitFor[kind];
      input = await prepare();
      on.lost.add(activity);
      await cancelAt(on, activity, operation, install);
      expect(await row()).toMatchObject({ status, pending: { waitingFor: kind } });
      expect((await wait().describe()).status.name).toBe('RUNNING');
      await decline(kind);
    },
  );

  it.each(kinds)('for %s and is declined leaves nothing, though every answer is lost', async (kind) => {
    const { prepare, wait, declining } = waitFor[kind];
    input = await prepare();
    await (await install()).result();
    for (const activity of declining) on.lost.add(activity);
    await decline(kind);
    await wait().result();
    expect(await row()).toMatchObject({ status: 'declined' });
    expect(await left()).toEqual(NOTHING);
  });

  it.each(kinds.flatMap((kind) => waitFor[kind].declining.map((activity) => [kind, activity] as const)))(
    'for %s and is declined is so, though its wait is cancelled at %s',
    async (kind, activity) => {
      const { prepare, wait } = waitFor[kind];
      input = await prepare();
      await (await install()).result();
      await cancelAt(on, activity, wait, () => decline(kind));
      expect(await row()).toMatchObject({ status: 'declined' });
      expect(await left()).toEqual(NOTHING);
    },
  );
});

describe('what is one transaction', () => {
  beforeEach(async () => {
    await (await install()).result();
    on.calls.length = 0;
  });

  async function configure(): Promise<WorkflowHandle> {
    const asked = { ...input, draftId: randomUUID(), digest: randomUUID() };
    await draft(asked, 'configure', { url: 'https://a.test' });
    return beginConfigure(on.client, asked);
  }

  it('a change of settings is made once, though its answer was lost', async () => {
    on.lost.add('applyDraft');
    expect(await (await configure()).result()).toEqual({ configVersion: 2, secretsVersion: 2 });
    expect(on.calls).toEqual(['applyDraft', 'applyDraft']);
    expect(await row()).toMatchObject({ configVersion: 2, secretsVersion: 2 });
    expect((await left())[0]).toBe(0);
  });

  it('a change of settings that is cancelled while it is made is made, and says so', async () => {
    await cancelAt(on, 'applyDraft', operation, configure);
    expect(await operation().result()).toEqual({ configVersion: 2, secretsVersion: 2 });
    expect(await row()).toMatchObject({ configVersion: 2, config: { url: 'https://a.test' } });
  });

  it('a change of settings that cannot be made leaves a reason, though the answer to that was lost', async () => {
    on.before = (name) => {
      if (name === 'applyDraft') throw new PlatformError('STATE_CONFLICT', 'it has ended');
    };
    on.lost.add('discardDraft');
    expect(await failureCode(configure())).toBe('STATE_CONFLICT');
    await eventually(() => expect(on.calls).toEqual(['applyDraft', 'discardDraft', 'discardDraft']));
    const [kept] = (await on.db('install_draft').where({ install_id: input.installId })) as {
      config: unknown;
    }[];
    expect(kept).toMatchObject({ config: null, secrets: null });
  });

  async function narrow(): Promise<WorkflowHandle> {
    const startWorkflowOperation = new WithStartWorkflowOperation('narrowGrants', {
      workflowId: installWorkflowId(input.tenantId, input.extensionId),
      taskQueue: LIFECYCLE_TASK_QUEUE,
      args: [{ ...input, grants: [{ capability: 'storage.kv', scope: { namespaces: ['notes'] } }] }],
      workflowIdConflictPolicy: 'USE_EXISTING',
    });
    await on.client.workflow.executeUpdateWithStart(installOpenedUpdate, {
      args: [{ operation: 'narrow', digest: input.digest }],
      startWorkflowOperation,
    });
    return startWorkflowOperation.workflowHandle();
  }

  it.each([false, true])(
    'a narrowing of grants is made (cancelled meanwhile: %s), though its answer was lost',
    async (cancelled) => {
      on.lost.add('narrowGrants');
      if (cancelled) await cancelAt(on, 'narrowGrants', operation, narrow);
      else await (await narrow()).result();
      expect(on.calls).toEqual(['narrowGrants', 'narrowGrants']);
      expect(await row()).toMatchObject({
        status: 'active',
        grants: [{ capability: 'storage.kv', scope: { namespaces: ['notes'] } }],
      });
    },
  );
});
