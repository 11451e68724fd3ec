import { afterAll, beforeAll, beforeEach, expect, it } from '@jest/globals';
import { purgeWorkflowId } from '../../core/ids.ts';
import { purgeNowSignal, type OperateInstallInput } from '../../workflows/messages.ts';
import { eventually } from '../support/eventually.ts';
import { holdActivity } from '../support/hold-activity.ts';
import { startLifecycleEnvironment, type LifecycleEnvironment } from '../support/lifecycle-environment.ts';

let on: LifecycleEnvironment;
let install: OperateInstallInput;
beforeAll(async () => {
  on = await startLifecycleEnvironment('purge_races');
});
afterAll(() => on.stop());
beforeEach(async () => {
  on.reset();
  install = await on.installed();
});

const row = () => on.find(install);
const uninstall = async (): Promise<unknown> => (await on.begin('uninstall', install)).result();
const restore = async (): Promise<unknown> => (await on.begin('restore', install)).result();
const purge = () => on.client.workflow.getHandle(purgeWorkflowId(install.installId));

it('a purge that hears of the next uninstall while it believes that there is nothing to purge goes on for that one', async () => {
  await uninstall();
  await eventually(() => expect(on.calls).toContain('readPurge')); // its first look, at what the uninstall wrote
  await on.landed();
  const reading = holdActivity(on, 'readPurge', 'after');
  await restore();
  await reading.reached;
  await uninstall();
  reading.release();
  const handle = purge();
  await handle.signal(purgeNowSignal);
  expect(await handle.result()).toBe('purged');
  expect(await row()).not.toHaveProperty('purgeAt');
});

it('a wish to purge at once is not remembered of an install that was restored, and uninstalled with a grace', async () => {
  await uninstall();
  const beginning = holdActivity(on, 'beginPurge');
  await purge().signal(purgeNowSignal);
  await beginning.reached;
  await restore();
  await uninstall();
  on.calls.length = 0;
  beginning.release();
  await eventually(() => expect(on.calls).toContain('readPurge')); // once it has found that nothing is due
  expect(on.calls).not.toContain('hastenPurge');
  await purge().terminate();
});
