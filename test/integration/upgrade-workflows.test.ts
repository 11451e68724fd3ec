import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { consentWorkflowId, installWorkflowId } from '../../core/ids.ts';
import { MORE, ROLL_BACK, startUpgrading, UPGRADE, type Upgrading } from '../support/upgrading.ts';
import { failureCode, stepStatuses } from '../support/workflow-environment.ts';

let given: Upgrading;
beforeAll(async () => {
  given = await startUpgrading('upgrade_workflows');
});
afterAll(() => given.stop());
beforeEach(() => given.renew());

describe('an upgrade', () => {
  it('probes the version, switches, asks it again, and keeps the one before', async () => {
    const handle = await given.upgrade(await given.upgradeTo('1.1.0'));
    await handle.result();
    expect(given.on.calls).toEqual(UPGRADE);
    const found = await given.row();
    expect(found).toMatchObject({ version: '1.1.0', status: 'active', previousVersions: ['1.0.0'] });
    expect(new Set(Object.values(stepStatuses(found)))).toEqual(new Set(['done']));
    expect(found).not.toHaveProperty('operation');
    expect(await given.left()).toEqual([0, 0, 1]);
  });

  it('comes to the same when every activity has worked and its answer was lost', async () => {
    for (const activity of UPGRADE) given.on.lost.add(activity);
    await (await given.upgrade(await given.upgradeTo('1.1.0'))).result();
    expect(given.on.calls).toEqual(UPGRADE.flatMap((activity) => [activity, activity]));
    expect(await given.row()).toMatchObject({ version: '1.1.0', previousVersions: ['1.0.0'] });
    expect(await given.left()).toEqual([0, 0, 1]);
  });

  it.each(['openChange', 'stageUpgrade', 'warmInstall', 'probeInstall', 'switchVersion', 'verifyVersion'])(
    'that is cancelled at %s leaves the install as it was',
    async (activity) => {
      await given.cancelAt(activity, async () => given.upgrade(await given.upgradeTo('1.1.0')));
      await given.expectUntouched();
      expect(await given.row()).toMatchObject({ error: { code: 'OPERATION_CANCELLED' } });
    },
  );

  it('that is cancelled at its last activity is done', async () => {
    await given.cancelAt('finishChange', async () => given.upgrade(await given.upgradeTo('1.1.0')));
    expect(await given.row()).toMatchObject({ version: '1.1.0', previousVersions: ['1.0.0'] });
    expect(await given.row()).not.toHaveProperty('operation');
  });

  it.each([
    ['stageUpgrade', 'configure'],
    ['warmInstall', 'warm'],
    ['probeInstall', 'probe'],
    ['verifyVersion', 'verify'],
    ['finishChange', 'finish'],
  ])(
    'that fails at %s restores what was, also where answers of its undo are lost',
    async (activity, step) => {
      given.failAt(activity);
      for (const undo of ['switchBack', 'closeChange', 'endOperation']) given.on.lost.add(undo);
      expect(await failureCode((await given.upgrade(await given.upgradeTo('1.1.0'))).result())).toBe(
        'HEALTH_CHECK_FAILED',
      );
      await given.expectUntouched();
      const found = await given.row();
      expect(found).toMatchObject({ error: { code: 'HEALTH_CHECK_FAILED', message: 'answered 500' } });
      expect(stepStatuses(found)[step]).toBe('failed');
      expect(stepStatuses(found)['open']).toBe('undone');
      if (step !== 'configure') expect(stepStatuses(found)['configure']).toBe('undone');
    },
  );

  it('is refused to an install that is something else, and tells its caller why', async () => {
    await given.on
      .db('tenant_extension_install')
      .where({ install_id: given.install.installId })
      .update({ status: 'quarantined' });
    expect(await failureCode(given.upgrade(await given.upgradeTo('1.1.0')))).toBe('STATE_CONFLICT');
    expect(await given.row()).toMatchObject({ status: 'quarantined', version: '1.0.0' });
    expect(await given.left()).toEqual([0, 0, 0]);
  });
});

describe('an install that is stopped while it is being upgraded', () => {
  it.each([
    ['disable', 'probeInstall', 'disabled'],
    ['disable', 'switchVersion', 'disabled'],
    ['disable', 'verifyVersion', 'disabled'],
    ['disable', 'finishChange', 'disabled'],
    ['uninstall', 'probeInstall', 'uninstalled'],
    ['uninstall', 'verifyVersion', 'uninstalled'],
  ] as const)('by %s at %s is so at once, with the version it had', async (kind, activity, status) => {
    const held = given.hold(activity);
    const upgrading = await given.upgrade(await given.upgradeTo('1.1.0'));
    await held.reached;
    const stopping = await given.on.begin(kind, given.install);
    expect((await given.row()).operation).toMatchObject({ kind });
    held.release();
    await stopping.result();
    expect(await failureCode(upgrading.result())).toBeDefined();
    const found = await given.row();
    expect(found).toMatchObject({ status, version: '1.0.0' });
    expect(found).not.toHaveProperty('operation');
    expect(found).not.toHaveProperty('error');
    expect(await given.left()).toEqual([0, 0, 0]);
  });

  it('has undone by the disable what an upgrade left whose workflow was terminated', async () => {
    const held = given.hold('verifyVersion');
    await given.upgrade(await given.upgradeTo('1.1.0'));
    await held.reached;
    await given.on.client.workflow
      .getHandle(installWorkflowId(given.install.tenantId, given.install.extensionId))
      .terminate();
    held.release();
    await (await given.on.begin('disable', given.install)).result();
    expect(await given.row()).toMatchObject({ status: 'disabled', version: '1.0.0' });
    expect((await given.left()).slice(1)).toEqual([0, 0]);
  });

  it('leaves no wait behind that the row does not show', async () => {
    const held = given.hold('leaveUpgrade');
    const input = await given.upgradeTo('2.0.0', MORE);
    const upgrading = await given.upgrade(input);
    await held.reached;
    const disabling = await given.on.begin('disable', given.install);
    held.release();
    await disabling.result();
    await failureCode(upgrading.result());
    const wait = given.on.client.workflow.getHandle(
      consentWorkflowId(given.install.installId, input.versionId),
    );
    await failureCode(wait.result());
    expect(await given.row()).not.toHaveProperty('pending');
    expect(await given.left()).toEqual([0, 0, 0]);
  });
});

describe('a roll-back', () => {
  beforeEach(async () => {
    await (await given.upgrade(await given.upgradeTo('1.1.0'))).result();
    given.on.calls.length = 0;
  });

  it('goes back by the same steps, without asking anybody', async () => {
    await (await given.rollBack()).result();
    expect(given.on.calls).toEqual(ROLL_BACK);
    expect(await given.row()).toMatchObject({ version: '1.0.0', previousVersions: ['1.1.0'] });
    expect(await given.row()).not.toHaveProperty('operation');
  });

  it('comes to the same when every activity has worked and its answer was lost', async () => {
    for (const activity of ROLL_BACK) given.on.lost.add(activity);
    await (await given.rollBack()).result();
    expect(await given.row()).toMatchObject({ version: '1.0.0', previousVersions: ['1.1.0'] });
    expect(await given.left()).toEqual([0, 0, 1]);
  });

  it.each(['openChange', 'warmInstall', 'probeInstall', 'switchVersion', 'verifyVersion'])(
    'that is cancelled at %s leaves the version that serves',
    async (activity) => {
      await given.cancelAt(activity, () => given.rollBack());
      const found = await given.row();
      expect(found).toMatchObject({ version: '1.1.0', previousVersions: ['1.0.0'] });
      expect(found).not.toHaveProperty('operation');
      expect(found).not.toHaveProperty('pending');
    },
  );

  it('that is cancelled at its last activity is done', async () => {
    await given.cancelAt('finishChange', () => given.rollBack());
    expect(await given.row()).toMatchObject({ version: '1.0.0', previousVersions: ['1.1.0'] });
    expect(await given.row()).not.toHaveProperty('operation');
  });

  it('that fails its probe leaves the version that serves', async () => {
    given.failAt('verifyVersion');
    expect(await failureCode((await given.rollBack()).result())).toBe('HEALTH_CHECK_FAILED');
    expect(await given.row()).toMatchObject({
      version: '1.1.0',
      previousVersions: ['1.0.0'],
      status: 'active',
    });
  });
});
