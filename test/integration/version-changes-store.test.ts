import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { createHydrationStore } from '../../platform/db/hydration.ts';
import { createInstallLifecycleStore } from '../../platform/db/install-lifecycle.ts';
import { createStorageRecordStore } from '../../platform/db/storage-records.ts';
import { startChanging, type Changing } from '../support/changing-versions.ts';
import { seedExecution } from '../support/seed.ts';

let on: Changing;
beforeAll(async () => {
  on = await startChanging('version_changes');
});
afterAll(() => on.drop());
beforeEach(() => on.renew());

describe('an upgrade', () => {
  it('shows the version on its way; calls see nothing of it until the switch, and a probe all of it', async () => {
    await on.open('1.1.0', 'run');
    await on.stage('run', { secrets: { TOKEN: { sealed: 'second', keyId: 'k' } } });
    expect(await on.find()).toMatchObject({
      version: '1.0.0',
      status: 'active',
      pending: { version: '1.1.0' },
      operation: { kind: 'upgrade' },
    });
    expect(await on.serves()).toMatchObject({
      versionId: on.idOf('1.0.0'),
      config: { greeting: 'Hi', old: 'kept' },
      grants: [{ capability: 'storage.kv' }],
      secrets: [{ sealed: 'first' }],
    });
    const probed = await createHydrationStore(on.db).byInstall(on.tenantId, on.installId, on.idOf('1.1.0'));
    expect(probed).toMatchObject({
      isActiveVersion: false,
      config: { greeting: 'Hi' },
      grants: [{ capability: 'storage.kv' }, { capability: 'secrets.get' }],
      secrets: [{ name: 'TOKEN', sealed: 'second' }],
    });
    await on.switchTo('run');
    const served = await on.serves();
    expect(served).toMatchObject({ versionId: on.idOf('1.1.0'), config: { greeting: 'Hi' } });
    expect(served?.grants.map(({ capability }) => capability)).toEqual(['secrets.get', 'storage.kv']);
    expect(served?.secrets).toMatchObject([{ sealed: 'second' }]);
    // What a shared instance was begun with stays what it is served with.
    expect(served).toMatchObject({
      configVersion: probed?.configVersion,
      secretsVersion: probed?.secretsVersion,
    });
    await on.finish('run');
    const ended = await on.find();
    expect(ended).toMatchObject({ version: '1.1.0', status: 'active', previousVersions: ['1.0.0'] });
    expect(ended).not.toHaveProperty('operation');
    expect(ended).not.toHaveProperty('pending');
    expect(await on.left('tenant_extension_install_change')).toBe(0);
  });

  it('lets an execution of the version on its way do what it will be granted, and no more', async () => {
    await on.publish('2.0.0', { capabilities: [{ name: 'storage.kv', scope: { namespaces: ['notes'] } }] });
    await on.open('2.0.0', 'run');
    const { tenantId, installId, extensionId } = on;
    const versionId = on.idOf('2.0.0');
    const executionId = await seedExecution(on.db, tenantId, { installId, extensionId, versionId });
    const check = (namespace: string) =>
      createStorageRecordStore(on.db).check({ tenantId, installId, versionId, executionId }, namespace);
    await expect(check('notes')).rejects.toMatchObject({ code: 'CAPABILITY_NOT_GRANTED' });
    await on.stage('run', { versionId });
    await check('notes');
    await expect(check('logs')).rejects.toMatchObject({ code: 'CAPABILITY_NOT_GRANTED' });
    await on.switchTo('run');
    await check('notes');
    await expect(check('logs')).rejects.toMatchObject({ code: 'CAPABILITY_NOT_GRANTED' });
  });

  it.each(['paused', 'disabled'])('leaves an install %s that is so', async (status) => {
    await on.db('tenant_extension_install').where({ install_id: on.installId }).update({ status });
    await on.upgrade('1.1.0');
    expect(await on.find()).toMatchObject({ status, version: '1.1.0' });
  });

  it('comes to the same where each of its writes is made twice', async () => {
    await on.open('1.1.0', 'run');
    await on.open('1.1.0', 'run');
    const draftId = await on.stage('run');
    const staging = { runId: 'run', draftId, consent: [], grantedBy: 'other' } as const;
    expect(await on.changes.stage(on.tenantId, on.installId, staging)).toEqual({ needed: [] });
    await on.switchTo('run');
    await on.switchTo('run');
    const { configVersion } = await on.find();
    await on.finish('run');
    await on.finish('run');
    expect(await on.find()).toMatchObject({ version: '1.1.0', configVersion, previousVersions: ['1.0.0'] });
  });

  it('that needs settings says which and stages nothing', async () => {
    await on.publish('2.0.0', {
      settings: { type: 'object', properties: { url: { type: 'string' } }, required: ['url'] },
      secrets: [{ name: 'KEY', required: true }],
    });
    await on.open('2.0.0', 'run');
    const draftId = await on.draft({ versionId: on.idOf('2.0.0') });
    const staging = { runId: 'run', draftId, consent: 'all', grantedBy: 'admin' } as const;
    expect(await on.changes.stage(on.tenantId, on.installId, staging)).toEqual({
      needed: ['config.url', 'secrets.KEY'],
    });
    await on.changes.wait(on.tenantId, on.installId, {
      runId: 'run',
      versionId: on.idOf('2.0.0'),
      waitingFor: 'settings',
      steps: [],
    });
    const waiting = await on.find();
    expect(waiting).toMatchObject({
      version: '1.0.0',
      status: 'active',
      pending: { version: '2.0.0', waitingFor: 'settings' },
    });
    expect(waiting).not.toHaveProperty('operation');
    await expect(on.open('1.1.0', 'other')).rejects.toMatchObject({ code: 'STATE_CONFLICT' });
    await on.open('2.0.0', 'again');
    expect(await on.find()).toMatchObject({ operation: { kind: 'upgrade' }, pending: { version: '2.0.0' } });
  });

  it('that is declined leaves nothing', async () => {
    await on.open('1.1.0', 'run');
    const draftId = await on.draft({});
    await on.changes.wait(on.tenantId, on.installId, {
      runId: 'run',
      versionId: on.idOf('1.1.0'),
      waitingFor: 'consent',
      steps: [],
    });
    await on.changes.withdraw(on.tenantId, on.installId, {
      versionId: on.idOf('1.1.0'),
      digest: 'digest',
      draftId,
      steps: [],
    });
    expect(await on.find()).not.toHaveProperty('pending');
    expect(await on.left('install_draft')).toBe(0);
  });
});

describe('an upgrade that is undone', () => {
  it.each([false, true])('leaves the install as it was, switched: %s', async (switched) => {
    const before = await on.find();
    await on.open('1.1.0', 'run');
    const draftId = await on.stage('run', { config: { greeting: 'Yo' } });
    if (switched) await on.switchTo('run');
    const undo = async (): Promise<void> => {
      await on.changes.switchBack(on.tenantId, on.installId, 'run');
      await on.changes.close(on.tenantId, on.installId, { runId: 'run', draftId });
    };
    await undo();
    await undo();
    await createInstallLifecycleStore(on.db).end(on.tenantId, on.installId, { runId: 'run', steps: [] });
    const after = await on.find();
    expect(after).toEqual({
      ...before,
      configVersion: expect.any(Number),
      updatedAt: expect.any(Date),
    });
    expect(after.configVersion).toBeGreaterThanOrEqual(before.configVersion);
    expect(await on.left('tenant_extension_install_change')).toBe(0);
    expect(await on.left('tenant_extension_install_config')).toBe(1);
    expect(await on.left('tenant_extension_grant')).toBe(1);
    expect(await on.left('install_draft')).toBe(0);
  });

  it('puts back what was kept of the version that it led to', async () => {
    await on.upgrade('1.1.0', { config: { greeting: 'Salut' } });
    await on.rollBack('1.0.0');
    await on.open('1.1.0', 'again');
    await on.stage('again', { config: { greeting: 'Yo' } });
    await on.switchTo('again');
    expect((await on.serves())?.config).toEqual({ greeting: 'Yo' });
    await on.changes.switchBack(on.tenantId, on.installId, 'again');
    await on.changes.close(on.tenantId, on.installId, { runId: 'again' });
    await createInstallLifecycleStore(on.db).end(on.tenantId, on.installId, { runId: 'again', steps: [] });
    expect(await on.find()).toMatchObject({ version: '1.0.0', previousVersions: ['1.1.0'] });
    await on.rollBack('1.1.0');
    expect((await on.serves())?.config).toEqual({ greeting: 'Salut' });
  });

  it('is undone by a disable that took the row from it, also after its switch, and cannot switch any more', async () => {
    const lifecycle = createInstallLifecycleStore(on.db);
    await on.open('1.1.0', 'run');
    await on.stage('run');
    const stopping = { kind: 'disable', runId: 'stop', workflowId: 'disable:test', startedAt: '' } as const;
    const stop = { operation: stopping, from: ['active'] as const, to: 'disabled' as const, steps: [] };
    await on.switchTo('run');
    await lifecycle.stop(on.tenantId, on.installId, stop);
    await expect(on.finish('run')).rejects.toMatchObject({ code: 'OPERATION_RUNNING' });
    await expect(on.switchTo('run')).rejects.toMatchObject({ code: 'OPERATION_RUNNING' });
    await on.changes.undoLeft(on.tenantId, on.installId, 'somebody else');
    expect(await on.find()).toMatchObject({ version: '1.1.0' });
    await on.changes.undoLeft(on.tenantId, on.installId, 'stop');
    const stopped = await on.find();
    expect(stopped).toMatchObject({ status: 'disabled', version: '1.0.0', operation: { kind: 'disable' } });
    expect(stopped).not.toHaveProperty('pending');
  });
});
