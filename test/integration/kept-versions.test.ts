import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { createHydrationStore } from '../../platform/db/hydration.ts';
import { createVersionSweepStore } from '../../platform/db/version-sweep.ts';
import { GREETING, NUMBERS, startChanging, type Changing } from '../support/changing-versions.ts';

let on: Changing;
beforeAll(async () => {
  on = await startChanging('kept_versions');
});
afterAll(() => on.drop());
beforeEach(() => on.renew());

describe('a roll-back', () => {
  it('brings back the config and grants of then, and no secret', async () => {
    await on.upgrade('1.1.0', {
      config: { greeting: 'Salut' },
      secrets: { TOKEN: { sealed: 'second', keyId: 'k' } },
    });
    const { configVersion } = await on.find();
    await on.rollBack('1.0.0');
    expect(await on.serves()).toMatchObject({
      versionId: on.idOf('1.0.0'),
      config: { greeting: 'Hi', old: 'kept' },
      grants: [{ capability: 'storage.kv' }],
      secrets: [{ sealed: 'second' }],
    });
    const back = await on.find();
    expect(back.previousVersions).toEqual(['1.1.0']);
    expect(back.configVersion).toBeGreaterThan(configVersion);
    expect(await on.changes.kept(on.tenantId, on.installId)).toMatchObject([
      { version: '1.1.0', rolledBack: true },
    ]);
  });

  it('brings values back in a later version that has their setting again', async () => {
    await on.upgrade('1.1.0');
    await on.publish('3.0.0', {
      settings: { type: 'object', properties: GREETING },
    });
    await on.upgrade('3.0.0');
    expect((await on.serves())?.config).toEqual({ greeting: 'Hi', old: 'kept' });
  });

  it('goes to what is kept and published, and nowhere else', async () => {
    await expect(on.open('1.1.0', 'run', 'rollback')).rejects.toMatchObject({ code: 'STATE_CONFLICT' });
    await on.upgrade('1.1.0');
    const first = { version_id: on.idOf('1.0.0') };
    await on.db('extension_version').where(first).update({ status: 'revoked' });
    await expect(on.open('1.0.0', 'run', 'rollback')).rejects.toMatchObject({ code: 'STATE_CONFLICT' });
    expect((await on.find()).previousVersions).toEqual([]);
  });
});

describe('versions that were superseded', () => {
  const sweep = () => createVersionSweepStore(on.db);
  const older = (version: string, days: number) =>
    on
      .db('tenant_extension_install_previous')
      .where({ version_id: on.idOf(version) })
      .update({
        superseded_at: on.db.raw(`superseded_at - interval '${days} days'`),
        expires_at: on.db.raw(`expires_at - interval '${days} days'`),
      });

  it('are kept, the latest three for good and others for thirty days, with config and grants', async () => {
    for (const version of NUMBERS.slice(1)) await on.upgrade(version);
    expect((await on.find()).previousVersions).toEqual(['1.3.0', '1.2.0', '1.1.0', '1.0.0']);
    for (const version of NUMBERS) await older(version, 29);
    expect(await sweep().count()).toBe(0);
    for (const version of NUMBERS) await older(version, 2);
    expect((await on.find()).previousVersions).toEqual(['1.3.0', '1.2.0', '1.1.0']);
    expect(await sweep().count()).toBe(1);
    expect(await sweep().clear()).toBe(1);
    expect(await sweep().clear()).toBe(0);
    expect(await on.left('tenant_extension_install_config')).toBe(4);
    expect(await on.db('tenant_extension_grant').where({ version_id: on.idOf('1.0.0') })).toEqual([]);
  });

  it('have their UI served for a day, since it may be open in a browser', async () => {
    const ui = await on.publish('4.0.0', {
      ui: { type: 'iframe', entry: 'ui/index.html' },
    });
    await on.upgrade('4.0.0');
    await on.upgrade('1.2.0');
    const served = () => createHydrationStore(on.db).servedUi(on.extensionId, ui.contentHash);
    expect(await served()).toMatchObject({ entry: 'ui/index.html' });
    await older('4.0.0', 2);
    expect(await served()).toBeUndefined();
  });
});
