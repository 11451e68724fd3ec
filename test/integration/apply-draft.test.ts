import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  createInstallDraftStore,
  type InstallDraft,
  type InstallDraftStore,
} from '../../platform/db/install-drafts.ts';
import {
  createInstallOperationStore,
  type InstallOperationStore,
} from '../../platform/db/install-operations.ts';
import { createHydrationStore } from '../../platform/db/hydration.ts';
import { createInstallStore, type InstallStore } from '../../platform/db/installs.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { openInput, seedTenant, seedVersion } from '../support/seed.ts';

let database: TestDatabase;
let installs: InstallStore;
let operations: InstallOperationStore;
let drafts: InstallDraftStore;
beforeAll(async () => {
  database = await createTestDatabase('install_settings');
  installs = createInstallStore(database.db);
  operations = createInstallOperationStore(database.db);
  drafts = createInstallDraftStore(database.db);
});
afterAll(() => database.drop());

const MANIFEST = {
  settings: {
    type: 'object',
    properties: { greeting: { type: 'string', default: 'Hello' }, times: { type: 'integer' } },
  },
  secrets: [{ name: 'A' }, { name: 'B' }],
};
const CONSENT_WITHIN_MS = 7 * 24 * 60 * 60 * 1000;
const SEALED = { sealed: 'c2VhbGVk', keyId: 'k1' };

/** An install that begins, and a way to send it settings. */
async function setup(manifest: Record<string, unknown> = {}) {
  const tenantId = await seedTenant(database.db);
  const publisher = `Publisher ${tenantId}`;
  const { extensionId, versionId } = await seedVersion(database.db, tenantId, {
    publisher,
    ...MANIFEST,
    ...manifest,
  });
  const installId = randomUUID();
  const open = () => operations.open(tenantId, openInput({ installId, extensionId, versionId }));
  await open();
  const draft = async (more: Partial<InstallDraft>): Promise<string> => {
    const draftId = randomUUID();
    const expiresAt = new Date(Date.now() + 60_000);
    const plain = {
      draftId,
      installId,
      kind: 'configure' as const,
      digest: draftId,
      versionId,
      replaceSecrets: false,
      reset: false,
      expiresAt,
    };
    await drafts.create(tenantId, { ...plain, ...more });
    return draftId;
  };
  const apply = async (more: Partial<InstallDraft>) =>
    operations.applyDraft(tenantId, installId, await draft(more));
  const find = () => installs.find(tenantId, installId);
  const secretNames = async () => Object.keys(await installs.secretNames(tenantId, installId));
  /** Another version of the extension, on its way to serving after this one serves. */
  const upgrade = async () => {
    await operations.activate(tenantId, installId, versionId, []);
    const next = await seedVersion(database.db, tenantId, { publisher, ...MANIFEST, version: '2.0.0' });
    await database
      .db('tenant_extension_install')
      .where({ tenant_id: tenantId, install_id: installId })
      .update({ pending_version_id: next.versionId });
    return next.versionId;
  };
  return { tenantId, installId, versionId, open, draft, apply, find, secretNames, upgrade };
}

describe('a draft', () => {
  it('is applied once, also when its activity is repeated, and is gone then', async () => {
    const { tenantId, installId, draft, find, secretNames } = await setup();
    const draftId = await draft({ config: { greeting: 'Hi' }, secrets: { A: SEALED } });
    const versions = { configVersion: 1, secretsVersion: 1 };
    expect(await operations.applyDraft(tenantId, installId, draftId)).toEqual(versions);
    expect(await operations.applyDraft(tenantId, installId, draftId)).toEqual(versions);
    expect(await find()).toMatchObject({ config: { greeting: 'Hi' }, ...versions });
    expect(await secretNames()).toEqual(['A']);
    expect(await database.db('install_draft').where({ draft_id: draftId })).toEqual([]);
  });

  it('takes with it what a repeat of the install brought, and what has ended keeps none', async () => {
    const { tenantId, installId, draft } = await setup();
    const left = () => database.db('install_draft').where({ install_id: installId }).pluck('digest');
    const [first] = [await draft({ kind: 'install' }), await draft({ kind: 'install' })];
    await draft({ digest: 'of a change' });
    await operations.applyDraft(tenantId, installId, first);
    expect(await left()).toEqual(['of a change']);
    const other = await setup();
    await other.draft({ kind: 'install' });
    await operations.end(other.tenantId, other.installId, { status: 'declined', steps: [] });
    expect(await database.db('install_draft').where({ install_id: other.installId })).toEqual([]);
  });

  it('changes only what it holds: null removes a secret, absent leaves the rest', async () => {
    const { apply, secretNames } = await setup();
    await apply({ config: { times: 1 }, secrets: { A: SEALED, B: SEALED } });
    expect(await apply({ secrets: { A: null } })).toEqual({ configVersion: 1, secretsVersion: 2 });
    expect(await secretNames()).toEqual(['B']);
    await apply({ secrets: {}, replaceSecrets: true });
    expect(await secretNames()).toEqual([]);
  });

  it.each(['expired', "another install's", "another version's", 'missing'])(
    'changes nothing when it is %s',
    async (fault) => {
      const { tenantId, installId, draft, find } = await setup();
      const wrong: Record<string, Partial<InstallDraft>> = {
        expired: { expiresAt: new Date(Date.now() - 1) },
        "another install's": { installId: randomUUID() },
        "another version's": { versionId: (await setup()).versionId },
      };
      const draftId =
        fault === 'missing' ? randomUUID() : await draft({ config: { times: 1 }, ...wrong[fault] });
      await expect(operations.applyDraft(tenantId, installId, draftId)).rejects.toMatchObject({
        code: 'STATE_CONFLICT',
      });
      expect((await find())?.configVersion).toBe(0);
    },
  );

  it('of the same request is written once, found again while it is good, and written anew once it has expired', async () => {
    const { tenantId, installId, draft } = await setup();
    const digest = randomUUID();
    const first = await draft({ digest });
    await draft({ digest });
    expect(await drafts.findByDigest(tenantId, digest)).toEqual({ draftId: first, installId });
    expect(await drafts.findByDigest(await seedTenant(database.db), digest)).toBeUndefined();
    await database
      .db('install_draft')
      .where({ draft_id: first })
      .update({ expires_at: new Date(Date.now() - 1) });
    expect(await drafts.findByDigest(tenantId, digest)).toBeUndefined();
    const anew = await draft({ digest });
    expect(await drafts.findByDigest(tenantId, digest)).toEqual({ draftId: anew, installId });
  });

  it('of an install outlasts the wait for consent, also if the attempt that wrote the row was lost right after', async () => {
    const { open, draft } = await setup();
    const draftId = await draft({ kind: 'install' });
    await open();
    const [heldUntil] = await database
      .db('install_draft')
      .where({ draft_id: draftId })
      .pluck<Date[]>('expires_at');
    expect(heldUntil?.getTime()).toBeGreaterThan(Date.now() + CONSENT_WITHIN_MS);
  });
});

describe('settings', () => {
  it.each([
    ['a value of the wrong type', { config: { times: 'many' } }, 'times'],
    ['one that the version does not know', { config: { times: 1, colour: 'red' } }, 'colour'],
    ['a secret that the version does not declare', { secrets: { C: SEALED } }, 'secrets.C'],
  ])('are checked against the version where they are applied: %s', async (_what, change, path) => {
    const { apply, find, secretNames } = await setup();
    await apply({ config: { greeting: 'Hi' }, secrets: { A: SEALED } });
    await expect(apply({ secrets: { B: SEALED }, ...change })).rejects.toMatchObject({
      code: 'SETTINGS_INVALID',
      issues: [expect.objectContaining({ path })],
    });
    expect(await find()).toMatchObject({ config: { greeting: 'Hi' }, configVersion: 1, secretsVersion: 1 });
    expect(await secretNames()).toEqual(['A']);
  });

  it('keep a required secret, unless they are reset', async () => {
    const { apply, secretNames } = await setup({ secrets: [{ name: 'A', required: true }] });
    await expect(apply({ secrets: {} })).rejects.toMatchObject({ code: 'SETTINGS_INVALID' });
    await apply({ secrets: { A: SEALED } });
    await apply({ secrets: {} });
    await expect(apply({ secrets: { A: null } })).rejects.toMatchObject({ code: 'SETTINGS_INVALID' });
    expect(await secretNames()).toEqual(['A']);
    await apply({ secrets: {}, replaceSecrets: true, reset: true });
    expect(await secretNames()).toEqual([]);
  });

  it('go back to the defaults of the version when they are reset', async () => {
    const { apply, find } = await setup();
    await apply({ config: { greeting: 'Hi', times: 3 } });
    await apply({ reset: true });
    expect(await find()).toMatchObject({ config: { greeting: 'Hello' }, configVersion: 2 });
  });

  it('belong to a version: a new one has its own while the old one serves', async () => {
    const { tenantId, installId, versionId, apply, find, upgrade } = await setup();
    const hydration = createHydrationStore(database.db);
    await operations.grant(tenantId, installId, [{ capability: 'storage.kv', scope: {} }], 'key');
    await apply({ config: { greeting: 'one' } });
    const next = await upgrade();
    await apply({ config: { greeting: 'two' }, versionId: next });
    await operations.grant(tenantId, installId, [{ capability: 'config.read', scope: {} }], 'key');

    expect(await find()).toMatchObject({ versionId, config: { greeting: 'one' }, configVersion: 1 });
    const served = await hydration.byInstall(tenantId, installId);
    const probed = await hydration.byInstall(tenantId, installId, next);
    expect(served).toMatchObject({ config: { greeting: 'one' }, configVersion: 1 });
    expect(served?.grants.map(({ capability }) => capability)).toEqual(['storage.kv']);
    expect(probed).toMatchObject({ config: { greeting: 'two' }, configVersion: 2 });
    expect(probed?.grants.map(({ capability }) => capability)).toEqual(['config.read']);
  });

  it('carry stamps that only rise, whichever version they are for', async () => {
    const { apply, versionId, upgrade } = await setup();
    await apply({ config: { times: 1 } });
    const next = await upgrade();
    const stamps = [];
    for (const id of [next, versionId, next]) {
      stamps.push((await apply({ config: { times: 2 }, versionId: id })).configVersion);
    }
    expect(stamps).toEqual([2, 3, 4]);
  });
});
