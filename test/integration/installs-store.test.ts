import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  createInstallDraftStore,
  type InstallDraft,
  type InstallDraftStore,
} from '../../platform/db/install-drafts.ts';
import { createInstallStore, type InstallStore } from '../../platform/db/installs.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { seedTenant, seedVersion } from '../support/seed.ts';

let database: TestDatabase;
let installs: InstallStore;
let drafts: InstallDraftStore;
beforeAll(async () => {
  database = await createTestDatabase('installs');
  installs = createInstallStore(database.db);
  drafts = createInstallDraftStore(database.db);
});
afterAll(() => database.drop());

async function setup() {
  const tenantId = await seedTenant(database.db);
  const version = await seedVersion(database.db, tenantId, { publisher: `Publisher ${tenantId}` });
  const installId = randomUUID();
  const input = { installId, extensionId: version.extensionId, versionId: version.versionId, steps: [] };
  const open = () => installs.open(tenantId, input);
  const draft = async (more: Partial<InstallDraft>): Promise<string> => {
    const draftId = randomUUID();
    const expiresAt = new Date(Date.now() + 60_000);
    await drafts.create(tenantId, { draftId, installId, replaceSecrets: false, expiresAt, ...more });
    return draftId;
  };
  return { tenantId, installId, version, input, open, draft };
}

const failure = {
  status: 'failed' as const,
  error: { code: 'INTERNAL' as const, message: 'because' },
  steps: [],
};

describe('an install', () => {
  it('opens once, is activated, and a repeat of each changes nothing', async () => {
    const { tenantId, installId, version, open } = await setup();
    await open();
    await open();
    await installs.activate(tenantId, installId, version.versionId, []);
    await installs.activate(tenantId, installId, version.versionId, []);
    expect(await installs.find(tenantId, installId)).toMatchObject({
      status: 'active',
      activeVersionId: version.versionId,
      version: '1.0.0',
    });
    await expect(open()).rejects.toMatchObject({ code: 'INSTALL_EXISTS' });
  });

  it('can be tried again after it failed, under the same id', async () => {
    const { tenantId, installId, open } = await setup();
    await open();
    await installs.end(tenantId, installId, failure);
    expect(await installs.find(tenantId, installId)).toMatchObject({
      status: 'failed',
      error: failure.error,
    });
    await open();
    const again = await installs.find(tenantId, installId);
    expect(again).toMatchObject({ status: 'installing', installId });
    expect(again?.error).toBeUndefined();
  });

  it('refuses an attempt under another id', async () => {
    const { tenantId, installId, input, open } = await setup();
    await open();
    const other = { ...input, installId: randomUUID() };
    await expect(installs.open(tenantId, other)).rejects.toMatchObject({ code: 'INSTALL_EXISTS' });
    await installs.end(tenantId, installId, failure);
    await expect(installs.open(tenantId, other)).rejects.toMatchObject({ code: 'STATE_CONFLICT' });
  });

  it('is not activated after it has failed', async () => {
    const { tenantId, installId, version, open } = await setup();
    await open();
    await installs.end(tenantId, installId, failure);
    await expect(installs.activate(tenantId, installId, version.versionId, [])).rejects.toMatchObject({
      code: 'STATE_CONFLICT',
    });
  });

  it('is neither found nor listed by another tenant', async () => {
    const { installId, version, open } = await setup();
    await open();
    const other = await seedTenant(database.db);
    expect(await installs.find(other, installId)).toBeUndefined();
    expect(await installs.findByExtension(other, version.extensionId)).toBeUndefined();
    expect((await installs.list(other, { limit: 50 })).items).toEqual([]);
  });

  it('keeps its grants until they are revoked', async () => {
    const { tenantId, installId, open } = await setup();
    await open();
    const grants = [{ capability: 'storage.kv' as const, scope: { namespaces: ['notes'] } }];
    await installs.grant(tenantId, installId, grants, 'key');
    await installs.grant(tenantId, installId, grants, 'key');
    expect((await installs.find(tenantId, installId))?.grants).toEqual(grants);
    await installs.revokeGrants(tenantId, installId);
    await installs.revokeGrants(tenantId, installId);
    expect((await installs.find(tenantId, installId))?.grants).toEqual([]);
  });
});

describe('a draft', () => {
  it('is applied once, also when its activity is repeated, and is gone then', async () => {
    const { tenantId, installId, open, draft } = await setup();
    await open();
    const secrets = { TOKEN: { sealed: 'c2VhbGVk', keyId: 'k1' } };
    const draftId = await draft({ config: { greeting: 'Hi' }, secrets });
    const versions = { configVersion: 1, secretsVersion: 1 };
    expect(await installs.applyDraft(tenantId, installId, draftId)).toEqual(versions);
    expect(await installs.applyDraft(tenantId, installId, draftId)).toEqual(versions);
    expect(await installs.find(tenantId, installId)).toMatchObject({
      config: { greeting: 'Hi' },
      ...versions,
    });
    expect(Object.keys(await installs.secretNames(tenantId, installId))).toEqual(['TOKEN']);
    expect(await database.db('install_draft').where({ draft_id: draftId })).toEqual([]);
  });

  it('changes only what it holds: null removes a secret, absent leaves the rest', async () => {
    const { tenantId, installId, open, draft } = await setup();
    await open();
    const sealed = { sealed: 'c2VhbGVk', keyId: 'k1' };
    await installs.applyDraft(
      tenantId,
      installId,
      await draft({ config: { a: 1 }, secrets: { A: sealed, B: sealed } }),
    );
    const after = await installs.applyDraft(tenantId, installId, await draft({ secrets: { A: null } }));
    expect(after).toEqual({ configVersion: 1, secretsVersion: 2 });
    expect(Object.keys(await installs.secretNames(tenantId, installId))).toEqual(['B']);
    await installs.applyDraft(tenantId, installId, await draft({ secrets: {}, replaceSecrets: true }));
    expect(await installs.secretNames(tenantId, installId)).toEqual({});
  });

  it.each(['expired', "another install's", 'missing'])('changes nothing when it is %s', async (fault) => {
    const { tenantId, installId, open, draft } = await setup();
    await open();
    const draftId =
      fault === 'missing'
        ? randomUUID()
        : await draft({
            config: { a: 1 },
            ...(fault === 'expired' ? { expiresAt: new Date(Date.now() - 1) } : { installId: randomUUID() }),
          });
    await expect(installs.applyDraft(tenantId, installId, draftId)).rejects.toMatchObject({
      code: 'STATE_CONFLICT',
    });
    expect((await installs.find(tenantId, installId))?.configVersion).toBe(0);
  });

  it('is swept away by the next one after it expired', async () => {
    const { tenantId, draft } = await setup();
    const expired = await draft({ expiresAt: new Date(Date.now() - 1) });
    await draft({});
    expect(await database.db('install_draft').where({ tenant_id: tenantId, draft_id: expired })).toEqual([]);
  });
});
