import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { consentWorkflowId, settingsWorkflowId } from '../../core/ids.ts';
import { createInstallDraftStore } from '../../platform/db/install-drafts.ts';
import { consentUpdate, settingsUpdate, type InstallExtensionInput } from '../../workflows/messages.ts';
import { beginVersion } from '../support/begin-operation.ts';
import { eventually } from '../support/eventually.ts';
import { MORE, NEEDY, SAME, startUpgrading, type Upgrading } from '../support/upgrading.ts';
import { failureCode, stepStatuses } from '../support/workflow-environment.ts';

let given: Upgrading;
beforeAll(async () => {
  given = await startUpgrading('upgrade_waits');
});
afterAll(() => given.stop());
beforeEach(() => given.renew());

describe('an upgrade that asks for more', () => {
  const decide = (versionId: string, decision: 'grant' | 'decline', capabilities?: string[]) =>
    given.on.client.workflow
      .getHandle(consentWorkflowId(given.install.installId, versionId))
      .executeUpdate(consentUpdate, {
        args: [{ decision, decidedBy: 'key:other', ...(capabilities && { capabilities }) }],
      });
  const grants = async () =>
    ((await given.on.find(given.install))?.grants ?? []).map(({ capability }) => capability);

  it('waits while the old version serves, and goes on with what was granted', async () => {
    const input = await given.upgradeTo('2.0.0', MORE);
    given.on.lost.add('leaveUpgrade');
    await (await given.upgrade(input)).result();
    expect(await given.row()).toMatchObject({
      version: '1.0.0',
      status: 'active',
      pending: { version: '2.0.0', waitingFor: 'consent' },
    });
    expect(stepStatuses(await given.row())['consent']).toBe('running');
    await decide(input.versionId, 'grant', []);
    await eventually(async () => expect(await given.row()).toMatchObject({ version: '2.0.0' }));
    await eventually(async () => expect(await given.row()).not.toHaveProperty('operation'));
    expect(await grants()).toEqual(['storage.kv']);
    expect(await given.left()).toEqual([0, 0, 1]);
  });

  it('waits all the same when it is cancelled while it is left to that', async () => {
    const input = await given.upgradeTo('2.0.0', MORE);
    await given.cancelAt('leaveUpgrade', () => given.upgrade(input));
    expect(await given.row()).toMatchObject({ version: '1.0.0', pending: { waitingFor: 'consent' } });
    await decide(input.versionId, 'decline');
    await given.expectUntouched();
  });

  it('goes on with the narrower scope that was granted', async () => {
    const input = await given.upgradeTo('2.0.0', MORE);
    await (await given.upgrade(input)).result();
    const wait = given.on.client.workflow.getHandle(
      consentWorkflowId(given.install.installId, input.versionId),
    );
    const narrowed = [{ capability: 'storage.kv', scope: { namespaces: ['notes'] } } as const];
    const decision = { decision: 'grant', decidedBy: 'key:other', capabilities: [], narrowed } as const;
    await wait.executeUpdate(consentUpdate, { args: [decision] });
    await eventually(async () =>
      expect(await given.row()).toMatchObject({ version: '2.0.0', grants: narrowed }),
    );
  });

  it('goes straight through with consent given with the request', async () => {
    await (await given.upgrade(await given.upgradeTo('2.0.0', MORE, { consent: 'all' }))).result();
    expect(await given.row()).toMatchObject({ version: '2.0.0' });
    expect(await grants()).toEqual(['secrets.get', 'storage.kv']);
  });

  it('leaves nothing when it is declined', async () => {
    const input = await given.upgradeTo('2.0.0', MORE);
    await (await given.upgrade(input)).result();
    given.on.lost.add('withdrawUpgrade');
    await decide(input.versionId, 'decline');
    await given.expectUntouched();
    expect(await given.row()).not.toHaveProperty('error');
  });

  it('leaves nothing when its wait is cancelled', async () => {
    const input = await given.upgradeTo('2.0.0', MORE);
    await (await given.upgrade(input)).result();
    const wait = given.on.client.workflow.getHandle(
      consentWorkflowId(given.install.installId, input.versionId),
    );
    await wait.cancel();
    await failureCode(wait.result());
    await given.expectUntouched();
  });

  it('and cannot go on after consent says why', async () => {
    const input = await given.upgradeTo('2.0.0', MORE);
    await (await given.upgrade(input)).result();
    await given.on
      .db('extension_version')
      .where({ version_id: input.versionId })
      .update({ status: 'revoked' });
    await decide(input.versionId, 'grant');
    await eventually(async () =>
      expect(await given.row()).toMatchObject({ error: { code: 'STATE_CONFLICT' } }),
    );
    await given.expectUntouched();
  });

  it('keeps waiting through a disable, and leaves the install disabled', async () => {
    const input = await given.upgradeTo('2.0.0', MORE);
    await (await given.upgrade(input)).result();
    await (await given.on.begin('disable', given.install)).result();
    expect(await given.row()).toMatchObject({ status: 'disabled', pending: { waitingFor: 'consent' } });
    await decide(input.versionId, 'grant');
    await eventually(async () =>
      expect(await given.row()).toMatchObject({ version: '2.0.0', status: 'disabled' }),
    );
  });

  it('is ended by an uninstall, with its draft', async () => {
    const input = await given.upgradeTo('2.0.0', MORE);
    await (await given.upgrade(input)).result();
    await (await given.on.begin('uninstall', given.install)).result();
    const wait = given.on.client.workflow.getHandle(
      consentWorkflowId(given.install.installId, input.versionId),
    );
    expect((await wait.describe()).status.name).toBe('CANCELLED');
    expect(await given.row()).toMatchObject({ status: 'uninstalled', version: '1.0.0' });
    expect(await given.left()).toEqual([0, 0, 0]);
  });
});

describe('a version that needs settings', () => {
  const amend = (versionId: string) =>
    createInstallDraftStore(given.on.db).amend(given.install.tenantId, given.install.installId, {
      versionId,
      config: { url: 'https://a.test' },
      secrets: { TOKEN: { sealed: 's', keyId: 'k' } },
    });
  const decide = (versionId: string, decision: 'given' | 'decline') =>
    given.on.client.workflow
      .getHandle(settingsWorkflowId(given.install.installId, versionId))
      .executeUpdate(settingsUpdate, {
        args: [{ decision, decidedBy: 'key:other' }],
      });
  /** The same request for an install of its own, in the place of the one that is there. */
  async function asInstall(input: InstallExtensionInput): Promise<InstallExtensionInput> {
    const own = { installId: randomUUID(), consent: 'all' } as const;
    await given.on.db('tenant_extension_install').where({ install_id: given.install.installId }).update({
      status: 'uninstalled',
      active_version_id: null,
      pending_version_id: given.install.versionId,
    });
    const draft = { install_id: own.installId, kind: 'install' };
    await given.on.db('install_draft').where({ draft_id: input.draftId }).update(draft);
    given.install = { ...given.install, installId: own.installId };
    return { ...input, ...own };
  }
  const needy = () => given.upgradeTo('2.0.0', { ...SAME, ...NEEDY });

  it('waits for them while the old version serves, and goes on once it has them', async () => {
    const input = await needy();
    await (await given.upgrade(input)).result();
    expect(await given.row()).toMatchObject({
      version: '1.0.0',
      status: 'active',
      pending: { version: '2.0.0', waitingFor: 'settings' },
    });
    expect(stepStatuses(await given.row())).toMatchObject({
      consent: 'done',
      configure: 'running',
      warm: 'pending',
    });
    await amend(input.versionId);
    await decide(input.versionId, 'given');
    await eventually(async () => expect(await given.row()).toMatchObject({ version: '2.0.0' }));
    await eventually(async () => expect(await given.row()).not.toHaveProperty('operation'));
    expect(await given.row()).toMatchObject({ config: { url: 'https://a.test' }, secretsVersion: 1 });
    expect(await given.left()).toEqual([0, 0, 1]);
  });

  it('leaves nothing when it is declined', async () => {
    const input = await needy();
    await (await given.upgrade(input)).result();
    await decide(input.versionId, 'decline');
    await given.expectUntouched();
  });

  it('of an install that never served is declined with all that it was granted', async () => {
    const input = await asInstall(await given.upgradeTo('2.0.0', { ...MORE, ...NEEDY }));
    await (await beginVersion(given.on.client, 'install', input)).result();
    await decide(input.versionId, 'decline');
    expect(await given.row()).toMatchObject({ status: 'declined', grants: [] });
    expect(await given.left()).toEqual([0, 0, 0]);
  });

  it('of an install that never served is what its status says, until they are given', async () => {
    const input = await asInstall(await given.upgradeTo('2.0.0', { ...MORE, ...NEEDY }));
    await (await beginVersion(given.on.client, 'install', input)).result();
    expect(await given.row()).toMatchObject({
      status: 'awaiting-settings',
      pending: { version: '2.0.0', waitingFor: 'settings' },
    });
    await amend(input.versionId);
    await decide(input.versionId, 'given');
    await eventually(async () =>
      expect(await given.row()).toMatchObject({ status: 'active', version: '2.0.0' }),
    );
    expect(await given.row()).toMatchObject({ config: { url: 'https://a.test' } });
  });
});
