import { afterAll, beforeAll, beforeEach, expect, it } from '@jest/globals';
import { MockActivityEnvironment } from '@temporalio/testing';
import { createSweepActivities, type SweepDeps, type SweepResult } from '../../activities/sweeps.ts';
import { consentWorkflowId, settingsWorkflowId } from '../../core/ids.ts';
import { createInstallSweepStore } from '../../platform/db/install-sweep.ts';
import { startChanging, type Changing } from '../support/changing-versions.ts';

let on: Changing;
beforeAll(async () => {
  on = await startChanging('upgrade_sweep');
});
afterAll(() => on.drop());
beforeEach(() => on.renew());

/** Sweeps while these workflows run and no other; answers how many installs it ended, and which workflows it asked about. */
async function sweep(running: readonly string[] = []): Promise<{ count: number; asked: string[] }> {
  const own = { tenant_id: on.tenantId, install_id: on.installId };
  const longAgo = on.db.raw("now() - interval '1 hour'");
  await on.db('tenant_extension_install').where(own).update({ updated_at: longAgo });
  const asked: string[] = [];
  const sweeps = createSweepActivities({
    installs: createInstallSweepStore(on.db),
    purges: { listOverdue: () => Promise.resolve([]) },
    workflowState: (id: string) => {
      asked.push(id);
      return Promise.resolve(running.includes(id) ? 'running' : 'terminated');
    },
  } as unknown as SweepDeps);
  const run = () => sweeps.sweepInstalls({ dryRun: false });
  const { count } = await new MockActivityEnvironment().run<[], SweepResult, typeof run>(run);
  return { count, asked };
}

it.each([false, true])('an upgrade whose workflow is lost is undone, switched: %s', async (switched) => {
  await on.open('1.1.0', 'run');
  await on.stage('run');
  if (switched) await on.switchTo('run');
  expect((await sweep(['install:test'])).count).toBe(0);
  expect((await sweep()).count).toBe(1);
  const ended = await on.find();
  expect(ended).toMatchObject({
    version: '1.0.0',
    status: 'active',
    config: { greeting: 'Hi', old: 'kept' },
    error: { code: 'OPERATION_LOST' },
    previousVersions: [],
  });
  expect(ended).not.toHaveProperty('operation');
  expect(ended).not.toHaveProperty('pending');
  expect(await on.left('tenant_extension_install_change')).toBe(0);
  await expect(on.finish('run')).resolves.toBeUndefined(); // an attempt that comes late changes nothing
  expect(await on.find()).toMatchObject({ version: '1.0.0', error: { code: 'OPERATION_LOST' } });
});

it.each(['consent', 'settings'] as const)(
  'a version that waits for %s is taken back once its wait is lost, with its draft',
  async (waitingFor) => {
    const versionId = on.idOf('1.1.0');
    const workflowId = { consent: consentWorkflowId, settings: settingsWorkflowId }[waitingFor];
    const wait = workflowId(on.installId, versionId);
    await on.open('1.1.0', 'run');
    await on.draft({});
    await on.changes.wait(on.tenantId, on.installId, { runId: 'run', versionId, waitingFor, steps: [] });
    const kept = await sweep([wait]);
    expect(kept.count).toBe(0);
    expect(kept.asked).toContain(wait);
    expect((await sweep()).count).toBe(1);
    const ended = await on.find();
    expect(ended).toMatchObject({ version: '1.0.0', status: 'active', error: { code: 'OPERATION_LOST' } });
    expect(ended).not.toHaveProperty('pending');
    expect(await on.left('install_draft')).toBe(0);
  },
);
