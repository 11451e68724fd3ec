import { randomUUID } from 'node:crypto';
import { MockActivityEnvironment } from '@temporalio/testing';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { createInstallActivities, type InstallActivities } from '../../activities/installs.ts';
import { INSTALL_STEPS, pendingSteps } from '../../core/progress.ts';
import { createInstallDraftStore } from '../../platform/db/install-drafts.ts';
import { createInstallOperationStore } from '../../platform/db/install-operations.ts';
import { createInstallStore } from '../../platform/db/installs.ts';
import { createRegistryStore } from '../../platform/db/registry.ts';
import { versionTrustOf } from '../support/version-trust.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { seedTenant, seedVersion } from '../support/seed.ts';

let database: TestDatabase;
let activities: InstallActivities;
let ref: { tenantId: string; installId: string };
let version: { extensionId: string; versionId: string };
const steps = pendingSteps(INSTALL_STEPS);

beforeAll(async () => {
  database = await createTestDatabase('install_activities');
  const { db } = database;
  activities = createInstallActivities({
    operations: createInstallOperationStore(db),
    drafts: createInstallDraftStore(db),
    registry: createRegistryStore(db),
    versionTrust: versionTrustOf(db),
  });
});
afterAll(() => database.drop());

beforeEach(async () => {
  const tenantId = await seedTenant(database.db);
  ref = { tenantId, installId: randomUUID() };
  version = await seedVersion(database.db, tenantId, {
    publisher: `Publisher ${ref.installId}`,
    settings: { type: 'object', properties: { greeting: { type: 'string' } } },
    secrets: [{ name: 'TOKEN' }],
    capabilities: [
      'context.read',
      { name: 'storage.kv', scope: { namespaces: ['notes'] } },
      { name: 'events.emit', optional: true },
      { name: 'secrets.get', optional: true },
    ],
  });
});

type Input<Name extends keyof InstallActivities> = Parameters<InstallActivities[Name]>[0];

/** Runs an activity as a worker does. */
function run<Name extends keyof InstallActivities>(
  name: Name,
  input: Input<Name>,
): ReturnType<InstallActivities[Name]> {
  const activity = (given: Input<Name>) => activities[name](given as never);
  return new MockActivityEnvironment().run(activity, input) as ReturnType<InstallActivities[Name]>;
}

const opened = () => ({ ...ref, ...version, digest: 'd', steps });
const open = () => run('openInstall', opened());
const find = () => createInstallStore(database.db).find(ref.tenantId, ref.installId);

async function draft(config: Record<string, unknown>): Promise<string> {
  const draftId = randomUUID();
  await createInstallDraftStore(database.db).create(ref.tenantId, {
    draftId,
    installId: ref.installId,
    versionId: version.versionId,
    config,
    secrets: { TOKEN: { sealed: 'c2VhbGVk', keyId: 'k' } },
    replaceSecrets: true,
    reset: false,
    kind: 'install',
    digest: draftId,
    expiresAt: new Date(Date.now() + 60_000),
  });
  return draftId;
}

describe('openInstall', () => {
  it('asks consent for what is neither granted to all nor served by nobody', async () => {
    expect(await open()).toMatchObject({
      requested: [
        { capability: 'storage.kv', scope: { namespaces: ['notes'] }, optional: false },
        { capability: 'secrets.get', scope: {}, optional: true },
      ],
    });
  });

  it('asks consent for an instance that calls share', async () => {
    const shared = await seedVersion(database.db, ref.tenantId, {
      publisher: `Publisher ${ref.installId}`,
      name: 'shared',
      instance: 'shared',
      capabilities: ['context.read'],
    });
    const { requested } = await run('openInstall', { ...opened(), ...shared });
    expect(requested).toEqual([{ capability: 'instance.shared', scope: {}, optional: false }]);
  });

  it('answers the same the second time, and leaves one row', async () => {
    const first = await open();
    expect(await open()).toEqual(first);
    const rows = (await database
      .db('tenant_extension_install')
      .where({ tenant_id: ref.tenantId })) as unknown[];
    expect(rows).toHaveLength(1);
  });

  it('refuses a version of another extension', async () => {
    const foreign = { ...opened(), extensionId: randomUUID() };
    await expect(run('openInstall', foreign)).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  it('refuses an extension that is installed under another id', async () => {
    await open();
    const other = { ...opened(), installId: randomUUID() };
    await expect(run('openInstall', other)).rejects.toMatchObject({ code: 'INSTALL_EXISTS' });
  });
});

describe('applyDraft', () => {
  it('answers the same versions the second time, though the draft is gone', async () => {
    await open();
    const draftId = await draft({ greeting: 'Hello' });
    const first = await run('applyDraft', { ...ref, draftId });
    expect(first).toMatchObject({ configVersion: 1, secretsVersion: 1 });
    expect(await run('applyDraft', { ...ref, draftId })).toEqual(first);
    expect((await find())?.config).toEqual({ greeting: 'Hello' });
  });

  it('refuses a draft that is not there', async () => {
    await open();
    await expect(run('applyDraft', { ...ref, draftId: randomUUID() })).rejects.toMatchObject({
      code: 'STATE_CONFLICT',
    });
  });
});

describe('undo', () => {
  it('finds nothing to undo and says nothing of it', async () => {
    await open();
    await run('revokeCapabilities', ref);
    await run('clearSettings', ref);
    await run('deactivateInstall', ref);
    await run('discardDraft', { ...ref, draftId: randomUUID() });
    expect((await find())?.status).toBe('installing');
  });

  it('leaves neither grants nor settings nor secrets behind', async () => {
    await open();
    await run('grantCapabilities', {
      ...ref,
      grants: [{ capability: 'storage.kv', scope: {} }],
      grantedBy: 'key:admin',
      steps,
    });
    await run('applyDraft', { ...ref, draftId: await draft({ greeting: 'Hello' }) });
    await run('activateInstall', { ...ref, versionId: version.versionId, steps });
    expect((await find())?.status).toBe('active');
    for (const undo of ['deactivateInstall', 'clearSettings', 'revokeCapabilities'] as const) {
      await run(undo, ref);
      await run(undo, ref);
    }
    const error = { code: 'HEALTH_CHECK_FAILED', message: 'answered 500' } as const;
    await run('endInstall', { ...ref, status: 'failed', error, steps });
    const ended = await find();
    expect(ended).toMatchObject({ status: 'failed', error, grants: [], configVersion: 0 });
    expect(ended?.config).toBeUndefined();
    expect(await createInstallStore(database.db).secretNames(ref.tenantId, ref.installId)).toEqual({});
  });
});

describe('an install that has ended', () => {
  it('cannot be activated or changed by a late attempt', async () => {
    await open();
    await run('endInstall', { ...ref, status: 'declined', steps });
    await expect(
      run('activateInstall', { ...ref, versionId: version.versionId, steps }),
    ).rejects.toMatchObject({ code: 'STATE_CONFLICT' });
    expect((await find())?.status).toBe('declined');
  });
});
