import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { WorkflowHandle } from '@temporalio/client';
import { PlatformError } from '../../core/errors.ts';
import type { InstallStatus, LifecycleKind } from '../../core/progress.ts';
import { createExecutionStore } from '../../platform/db/executions.ts';
import { fromTemporalError } from '../../platform/temporal/failures.ts';
import type { OperateInstallInput } from '../../workflows/messages.ts';
import { eventually } from '../support/eventually.ts';
import { holdActivity } from '../support/hold-activity.ts';
import { startLifecycleEnvironment, type LifecycleEnvironment } from '../support/lifecycle-environment.ts';
import { seedExecution } from '../support/seed.ts';
import { failureCode, stepStatuses } from '../support/workflow-environment.ts';

let on: LifecycleEnvironment;
let install: OperateInstallInput & { versionId: string };
beforeAll(async () => {
  on = await startLifecycleEnvironment('lifecycle_workflows');
});
afterAll(() => on.stop());
beforeEach(async () => {
  on.reset();
  install = await on.installed();
});

const become = (status: InstallStatus) =>
  on.db('tenant_extension_install').where({ install_id: install.installId }).update({ status });
const run = async (kind: LifecycleKind): Promise<unknown> => (await on.begin(kind, install)).result();
const row = () => on.find(install);

const CASES: [LifecycleKind, InstallStatus, InstallStatus, string[]][] = [
  ['pause', 'active', 'paused', ['pauseInstall']],
  ['resume', 'paused', 'active', ['resumeInstall']],
  ['disable', 'active', 'disabled', ['disableInstall', 'cancelOperation', 'drainInstall']],
  ['disable', 'paused', 'disabled', ['disableInstall', 'cancelOperation', 'drainInstall']],
  ['enable', 'disabled', 'active', ['openOperation', 'warmInstall', 'probeInstall', 'enableInstall']],
];

describe.each(CASES)('%s of an install that is %s', (kind, from, to, activities) => {
  beforeEach(() => become(from));

  it(`makes it ${to}, by one activity a step, and the row says so`, async () => {
    const result = (await run(kind)) as { steps: { name: string }[] };
    expect(on.calls).toEqual(activities);
    const ended = await row();
    expect(ended).toMatchObject({ status: to });
    expect(ended).not.toHaveProperty('operation');
    expect(ended).not.toHaveProperty('error');
    expect(stepStatuses(ended ?? {})).toEqual(
      Object.fromEntries(result.steps.map(({ name }) => [name, 'done'])),
    );
  });

  it('comes to the same when every activity has worked and its answer was lost', async () => {
    for (const activity of activities) on.lost.add(activity);
    await run(kind);
    expect(on.calls).toEqual(activities.flatMap((activity) => [activity, activity]));
    const ended = await row();
    expect(ended).toMatchObject({ status: to });
    expect(ended).not.toHaveProperty('operation');
    expect(ended).not.toHaveProperty('error');
  });

  it('changes nothing of an install that is something else', async () => {
    await become('quarantined');
    expect(await failureCode(on.begin(kind, install))).toBe('STATE_CONFLICT');
    const untouched = await row();
    expect(untouched).toMatchObject({ status: 'quarantined', steps: [] });
    expect(untouched).not.toHaveProperty('error');
  });
});

/** After which activity an operation is cancelled by hand, and what the install is then. */
const CANCELLED: [LifecycleKind, InstallStatus, string, InstallStatus][] = [
  ['enable', 'disabled', 'openOperation', 'disabled'],
  ['enable', 'disabled', 'warmInstall', 'disabled'],
  ['enable', 'disabled', 'probeInstall', 'disabled'],
  ['disable', 'active', 'cancelOperation', 'disabled'],
  ['disable', 'active', 'drainInstall', 'disabled'],
];

/** Or the activity's answer might reach the workflow together with the cancellation, and before it. */
async function heardOfCancellation(workflow: WorkflowHandle): Promise<void> {
  const events = (await workflow.fetchHistory()).events ?? [];
  const at = events.findIndex((event) => event.workflowExecutionCancelRequestedEventAttributes);
  expect(events.slice(at).some((event) => event.workflowTaskCompletedEventAttributes)).toBe(true);
}

it.each(CANCELLED)(
  '%s of an install that is %s, cancelled at %s, leaves it %s and says why',
  async (...given) => {
    const [kind, from, activity, to] = given;
    await become(from);
    const held = holdActivity(on, activity);
    const handle = on.begin(kind, install);
    await held.reached;
    const workflow = on.client.workflow.getHandle(
      (await row())?.operation?.workflowId ?? `install:${install.tenantId}:${install.extensionId}`,
    );
    await workflow.cancel();
    await eventually(() => heardOfCancellation(workflow));
    held.release();
    await (await handle).result().catch(() => undefined);
    const ended = await row();
    expect(ended).toMatchObject({ status: to, error: { code: 'OPERATION_CANCELLED' } });
    expect(ended).not.toHaveProperty('operation');
  },
);

it.each([
  ['pause', 'active', 'pauseInstall', 'paused'],
  ['resume', 'paused', 'resumeInstall', 'active'],
  ['enable', 'disabled', 'enableInstall', 'active'],
  ['disable', 'active', 'disableInstall', 'disabled'],
] as [LifecycleKind, InstallStatus, string, InstallStatus][])(
  '%s of an install that is %s is not cut off at %s, which is one transaction',
  async (kind, from, activity, to) => {
    await become(from);
    const held = holdActivity(on, activity);
    const handle = on.begin(kind, install);
    await held.reached;
    const { tenantId, extensionId, installId } = install;
    const id = kind === 'disable' ? `disable:${installId}` : `install:${tenantId}:${extensionId}`;
    await on.client.workflow.getHandle(id).cancel();
    held.release();
    await (await handle).result().catch(() => undefined);
    const ended = await row();
    expect(ended).toMatchObject({ status: to });
    expect(ended).not.toHaveProperty('operation');
  },
);

describe('an install that is enabled in vain', () => {
  it('stays disabled, and says which step failed and why', async () => {
    await become('disabled');
    on.runners = {
      ...on.runners,
      probeVersion: () => Promise.reject(new PlatformError('HEALTH_CHECK_FAILED', 'answered 500')),
    };
    expect(await failureCode(run('enable'))).toBe('HEALTH_CHECK_FAILED');
    const ended = await row();
    expect(ended).toMatchObject({
      status: 'disabled',
      error: { code: 'HEALTH_CHECK_FAILED', message: 'answered 500' },
    });
    expect(stepStatuses(ended ?? {})).toEqual({
      open: 'done',
      warm: 'done',
      probe: 'failed',
      enable: 'pending',
    });
  });
});

describe('an install that is disabled while it is being enabled', () => {
  it('is disabled at once, has the other undo itself, and waits for that', async () => {
    await become('disabled');
    const warming = Promise.withResolvers<{ attempts: number }>();
    on.runners = { ...on.runners, warmVersion: () => warming.promise };
    const enabling = await on.begin('enable', install);
    await eventually(() => expect(on.calls).toContain('warmInstall'));
    expect(await row()).toMatchObject({
      operation: { kind: 'enable' },
      steps: [{ status: 'done' }, { status: 'running' }, {}, {}],
    });
    const disabling = await on.begin('disable', install);
    await disabling.result();
    warming.resolve({ attempts: 1 });
    expect((await enabling.describe()).status.name).toBe('CANCELLED');
    const ended = await row();
    expect(ended).toMatchObject({ status: 'disabled' });
    expect(stepStatuses(ended ?? {})).toEqual({ disable: 'done', cancel: 'done', drain: 'done' });
    expect(ended).not.toHaveProperty('operation');
    expect(ended).not.toHaveProperty('error');
  });

  it('is not served by the other that was about to let it serve', async () => {
    await become('disabled');
    const held = holdActivity(on, 'enableInstall');
    const enabling = await on.begin('enable', install);
    await held.reached;
    const disabling = await on.begin('disable', install);
    held.release();
    await disabling.result();
    expect(await failureCode(enabling.result())).toBe('OPERATION_RUNNING');
    expect(await row()).toMatchObject({ status: 'disabled' });
  });
});

it('a disable waits for the calls that had begun', async () => {
  const executionId = await seedExecution(on.db, install.tenantId, install);
  const disabling = await on.begin('disable', install);
  await eventually(() => expect(on.calls).toContain('drainInstall'));
  await eventually(async () =>
    expect(stepStatuses((await row()) ?? {})).toEqual({ disable: 'done', cancel: 'done', drain: 'running' }),
  );
  expect(await row()).toMatchObject({ status: 'disabled', operation: { kind: 'disable' } });
  await createExecutionStore(on.db).end(install.tenantId, executionId, {
    status: 'succeeded',
    httpStatus: 200,
    durationMs: 1,
    responseBytes: 0,
  });
  await disabling.result();
  expect(await row()).not.toHaveProperty('operation');
});

it('another operation is refused while one runs, and told which', async () => {
  await become('disabled');
  const warming = Promise.withResolvers<{ attempts: number }>();
  on.runners = { ...on.runners, warmVersion: () => warming.promise };
  const enabling = await on.begin('enable', install);
  const refusal = await on.begin('pause', install).then(
    () => undefined,
    (err: unknown) => fromTemporalError(err),
  );
  expect(refusal).toMatchObject({ code: 'OPERATION_RUNNING', details: { operation: 'enable' } });
  const same = await on.begin('enable', install);
  warming.resolve({ attempts: 1 });
  await enabling.result();
  expect((await same.describe()).runId).toBe((await enabling.describe()).runId);
});
