import { createHash, createPublicKey, generateKeyPairSync, randomUUID, type KeyObject } from 'node:crypto';
import { buffer } from 'node:stream/consumers';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { MockActivityEnvironment } from '@temporalio/testing';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { createBundleActivities } from '../../activities/bundles.ts';
import { createPrecompileActivities } from '../../activities/precompile.ts';
import { createRegistryActivities } from '../../activities/registry.ts';
import { createUploadActivities } from '../../activities/uploads.ts';
import { createVerificationActivities } from '../../activities/verification.ts';
import { contentHashHex } from '../../core/ids.ts';
import { PUBLISH_STEPS, pendingSteps } from '../../core/progress.ts';
import { packTarZst } from '../../platform/bundle/pack.ts';
import { createRegistryStore } from '../../platform/db/registry.ts';
import { createUploadStore } from '../../platform/db/uploads.ts';
import { createFolderObjectStore } from '../../platform/objects/folder-object-store.ts';
import { createObjectKeys } from '../../platform/objects/keys.ts';
import type { ObjectStore } from '../../platform/objects/object-store.ts';
import { buildComponent } from '../support/components.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { seedTenant, seedUpload } from '../support/seed.ts';

const keys = createObjectKeys('sha256/');
const steps = pendingSteps(PUBLISH_STEPS);
let database: TestDatabase;
let folder: string;
let objects: ObjectStore;
let files: { path: string; bytes: Uint8Array }[];
let ref: { tenantId: string; uploadId: string };

beforeAll(async () => {
  database = await createTestDatabase('publish_activities');
  folder = await mkdtemp(path.join(os.tmpdir(), 'alga-activities-'));
  objects = createFolderObjectStore({ folder });
  ({ files } = await buildComponent('hello', { engine: 'quickjs' }));
}, 240_000);
afterAll(async () => {
  await database.drop();
  await rm(folder, { recursive: true, force: true });
});
beforeEach(async () => {
  ref = { tenantId: await seedTenant(database.db), uploadId: randomUUID() };
});

function activities({ signingKey = newKey(), previousKeys = [] as KeyObject[] } = {}) {
  const registry = createRegistryStore(database.db);
  const uploads = createUploadStore(database.db);
  return {
    ...createUploadActivities({ uploads, objects, keys }),
    ...createVerificationActivities({ objects, keys, registry }),
    ...createBundleActivities({ objects, keys, uploads }),
    ...createRegistryActivities({ registry, uploads, objects, keys }),
    ...createPrecompileActivities({ objects, keys, signingKey, previousKeys, target: 'jco-test' }),
  };
}

const newKey = (): KeyObject => generateKeyPairSync('ed25519').privateKey;

type All = ReturnType<typeof activities>;

/** Runs an activity as a worker does. */
function run<Name extends keyof All>(
  name: Name,
  input: Parameters<All[Name]>[0],
  all: All = activities(),
): ReturnType<All[Name]> {
  const activity = (given: Parameters<All[Name]>[0]) => all[name](given as never);
  return new MockActivityEnvironment().run(activity, input) as ReturnType<All[Name]>;
}

const announce = (size: number): Promise<void> => seedUpload(database.db, ref, size);

/** The upload of what is in staging, as the gateway leaves it to a publish. */
async function receive({ sizeBytes, contentHash }: Awaited<ReturnType<typeof stage>>): Promise<void> {
  await announce(sizeBytes);
  const received = { size: sizeBytes, sha256: contentHashHex(contentHash) };
  await createUploadStore(database.db).markReceived(ref.tenantId, ref.uploadId, received);
}

/** The hello bundle in staging, with these manifest fields; answers its hash and size. */
async function stage(overrides: object = {}): Promise<{ contentHash: string; sizeBytes: number }> {
  const bytes = await packTarZst(
    files.map((file) => {
      if (file.path !== 'manifest.json') return file;
      const manifest = JSON.parse(Buffer.from(file.bytes).toString('utf8')) as object;
      const changed = { ...manifest, publisher: `P ${ref.uploadId}`, ...overrides };
      return { path: file.path, bytes: Buffer.from(JSON.stringify(changed)) };
    }),
  );
  await objects.put(keys.staging(ref.tenantId, ref.uploadId), bytes);
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  return { contentHash: `sha256:${sha256}`, sizeBytes: bytes.byteLength };
}

const ARTIFACT = { target: 'jco-test', sha256: 'a'.repeat(64), sizeBytes: 10 };

describe('verifyBundle', () => {
  it('finds the same the second time', async () => {
    const { contentHash } = await stage();
    const first = await run('verifyBundle', { ...ref, contentHash });
    expect(first.fault).toBeUndefined();
    expect(await run('verifyBundle', { ...ref, contentHash })).toEqual(first);
  });

  it('refuses bytes that are not the ones received', async () => {
    await stage();
    const other = `sha256:${'0'.repeat(64)}`;
    const { checks, fault } = await run('verifyBundle', { ...ref, contentHash: other });
    expect(fault?.code).toBe('BUNDLE_CORRUPT');
    expect(checks.find(({ name }) => name === 'digest')?.result).toBe('failed');
  });

  it('refuses a required capability that nobody serves, and takes an optional one', async () => {
    const required = await stage({ capabilities: ['http.fetch'] });
    const refused = await run('verifyBundle', { ...ref, contentHash: required.contentHash });
    expect(refused.fault?.code).toBe('CAPABILITY_UNAVAILABLE');
    expect(refused.checks.find(({ name }) => name === 'capabilities')).toMatchObject({
      result: 'failed',
      required: true,
    });
    const optional = await stage({ capabilities: [{ name: 'http.fetch', optional: true }] });
    const taken = await run('verifyBundle', { ...ref, contentHash: optional.contentHash });
    expect(taken.fault).toBeUndefined();
  });

  it.each<[string, object]>([
    ['events', { events: [{ topic: 'ticket.closed', handler: 'onTicketClosed' }] }],
    ['schedules', { schedules: [{ cron: '0 6 * * 1', handler: 'onMonday' }] }],
  ])('refuses %s, which is not done yet, and says so to the publisher', async (path, fields) => {
    const { contentHash } = await stage(fields);
    const { checks, fault } = await run('verifyBundle', { ...ref, contentHash });
    expect(fault?.code).toBe('MANIFEST_INVALID');
    expect(fault?.message).toMatch(new RegExp(`^manifest.json: ${path} .* this platform does not .* yet`));
    const failed = checks.filter(({ result }) => result === 'failed');
    expect(failed).toEqual([{ name: 'features', result: 'failed', required: true, detail: fault?.message }]);
  });

  it('takes what is done of the same, and assets that match the entry', async () => {
    const { contentHash } = await stage({ instance: 'shared', events: [], schedules: [], assets: ['ui/**'] });
    const { checks, fault } = await run('verifyBundle', { ...ref, contentHash });
    expect(fault).toBeUndefined();
    expect(checks.find(({ name }) => name === 'features')?.result).toBe('passed');
  });

  it('refuses assets that leave out what browsers load', async () => {
    const { contentHash } = await stage({ assets: ['ui/main.js'] });
    const { checks, fault } = await run('verifyBundle', { ...ref, contentHash });
    expect(fault?.message).toContain('ui.entry names "ui/index.html"');
    expect(checks.find(({ name }) => name === 'files')?.result).toBe('failed');
  });

  it.each([
    ['another tenant has', 'Taken', 'PUBLISHER_NOT_YOURS', 'belongs to another tenant'],
    ['loses letters to its slug', 'Réd', 'MANIFEST_INVALID', 'publisher has "é"'],
  ])('refuses a publisher that %s', async (_what, publisher, code, detail) => {
    const row = { slug: 'taken', name: 'Taken', tenant_id: await seedTenant(database.db) };
    await database.db('extension_publisher').insert(row).onConflict().ignore();
    const { contentHash } = await stage({ publisher });
    const { checks, fault } = await run('verifyBundle', { ...ref, contentHash });
    expect(fault?.code).toBe(code);
    const check = { result: 'failed', detail: expect.stringContaining(detail) as unknown };
    expect(checks.find(({ name }) => name === 'publisher')).toMatchObject(check);
  });

  it('shows the slug of a publisher', async () => {
    const { contentHash } = await stage({ publisher: 'Nine Minds' });
    const { checks } = await run('verifyBundle', { ...ref, contentHash });
    expect(checks.find(({ name }) => name === 'publisher')?.detail).toBe('its slug is "nine-minds"');
  });

  it('waits for bytes that are not there, since nobody but the publish removes them', async () => {
    const missing = { ...ref, contentHash: `sha256:${'0'.repeat(64)}` };
    await expect(run('verifyBundle', missing)).rejects.toMatchObject({
      code: 'BUNDLE_UNAVAILABLE',
      retryable: true,
    });
  });
});

describe('promoteBundle', () => {
  it('finds the same objects the second time', async () => {
    const staged = await stage();
    await run('promoteBundle', { ...ref, ...staged, steps, checks: [] });
    await run('promoteBundle', { ...ref, ...staged, steps, checks: [] });
    expect((await objects.read(keys.bundle(staged.contentHash)))?.size).toBe(staged.sizeBytes);
    expect(await objects.read(keys.manifest(staged.contentHash))).toBeDefined();
    expect(await objects.read(keys.component(staged.contentHash))).toBeDefined();
  });

  it('stores nothing when staging no longer holds the verified bytes', async () => {
    const verified = await stage({ description: 'verified' });
    await stage({ description: 'swapped in later' });
    await expect(run('promoteBundle', { ...ref, ...verified, steps, checks: [] })).rejects.toMatchObject({
      code: 'BUNDLE_CORRUPT',
    });
    expect(await objects.read(keys.bundle(verified.contentHash))).toBeUndefined();
  });
});

describe('inspectComponent', () => {
  it('names an import whose capability is not declared, as advice', async () => {
    const { contentHash } = await stage({ capabilities: [] });
    const { checks } = await run('inspectComponent', { ...ref, contentHash });
    const advice = checks.find(({ name }) => name === 'imports');
    expect(advice).toMatchObject({ result: 'failed', required: false });
    expect(advice?.detail).toContain('storage.kv');
  });

  it('refuses bytes that changed since they were verified', async () => {
    await stage();
    const other = { ...ref, contentHash: `sha256:${'0'.repeat(64)}` };
    await expect(run('inspectComponent', other)).rejects.toMatchObject({ code: 'BUNDLE_CORRUPT' });
  });
});

describe('precompileBundle', () => {
  async function promoted(): Promise<{ contentHash: string; target: string }> {
    const staged = await stage();
    await run('promoteBundle', { ...ref, ...staged, steps, checks: [] });
    return { contentHash: staged.contentHash, target: 'jco-test' };
  }
  const signatures = async (contentHash: string): Promise<string[]> =>
    readdir(path.join(folder, 'sha256', contentHashHex(contentHash), 'signatures'));
  const artifactBytes = async (contentHash: string): Promise<Buffer> => {
    const stored = await objects.read(keys.artifact(contentHash, 'jco-test'));
    if (!stored) throw new Error('there is no artifact');
    return buffer(stored.body);
  };

  it('answers the artifact it made before, and makes the same one if the signature was not written', async () => {
    const bundle = await promoted();
    const all = activities();
    const first = await run('precompileBundle', bundle, all);
    expect(await run('precompileBundle', bundle, all)).toEqual(first);
    const [name = ''] = await signatures(bundle.contentHash);
    await objects.remove(keys.signature(bundle.contentHash, name.replace('.dsse.json', '')));
    expect(await run('precompileBundle', bundle, all)).toEqual(first);
    expect(await signatures(bundle.contentHash)).toEqual([name]);
  });

  it('signs anew what a previous key signed, and leaves the bytes and the old signature as they are', async () => {
    const bundle = await promoted();
    const old = newKey();
    const first = await run('precompileBundle', bundle, activities({ signingKey: old }));
    const before = await artifactBytes(bundle.contentHash);
    // Without the component it can be taken over, and not be made again.
    await objects.remove(keys.component(bundle.contentHash));
    const rotated = activities({ previousKeys: [createPublicKey(old)] });
    const second = await run('precompileBundle', bundle, rotated);
    expect(second.artifact).toMatchObject({ sha256: first.artifact.sha256 });
    expect(second.artifact.keyId).not.toBe(first.artifact.keyId);
    expect(await signatures(bundle.contentHash)).toHaveLength(2);
    expect(await artifactBytes(bundle.contentHash)).toEqual(before);
  });

  it('takes over nothing that a stranger signed: it signs only if making it again gives the same bytes', async () => {
    const bundle = await promoted();
    const first = await run('precompileBundle', bundle);
    expect((await run('precompileBundle', bundle)).artifact.sha256).toBe(first.artifact.sha256);
    const bytes = await artifactBytes(bundle.contentHash);
    await objects.put(
      keys.artifact(bundle.contentHash, 'jco-test'),
      Buffer.concat([bytes, Buffer.from('!')]),
    );
    await expect(run('precompileBundle', bundle)).rejects.toMatchObject({ code: 'OBJECT_CONFLICT' });
    expect(await signatures(bundle.contentHash)).toHaveLength(2);
  });
});

describe('a version that an earlier release published', () => {
  it('is made again and registered, whatever of its manifest is refused today', async () => {
    const old = { events: [{ topic: 't', handler: 'h' }], assets: ['ui/[ab].js'] };
    const { contentHash, sizeBytes } = await stage(old);
    const manifest = { name: 'old', publisher: `P ${ref.uploadId}`, version: '1.0.0', runtime: 'wasm-js@1' };
    const bytes = Buffer.from(JSON.stringify({ ...manifest, ...old }));
    await objects.put(keys.manifest(contentHash), bytes);
    const component = files.find(({ path: name }) => name === 'entry.wasm')?.bytes ?? new Uint8Array();
    await objects.put(keys.component(contentHash), component);
    const { artifact } = await run('precompileBundle', { contentHash, target: 'jco-test' });
    await announce(sizeBytes);
    const input = { ...ref, contentHash, sizeBytes, steps, checks: [], artifact };
    expect((await run('registerVersion', input)).version).toBe('1.0.0');
  });
});

describe('registering', () => {
  it('answers the version it made, and ends the publish once', async () => {
    const staged = await stage({ version: '1.0.*' });
    const uploads = createUploadStore(database.db);
    await receive(staged);
    expect(await run('openPublish', { ...ref, steps })).toEqual(staged);
    expect(await run('openPublish', { ...ref, steps })).toEqual(staged);
    await run('promoteBundle', { ...ref, ...staged, steps, checks: [] });
    const registering = pendingSteps(PUBLISH_STEPS).map((step) =>
      step.name === 'register' ? { ...step, status: 'running' as const } : step,
    );
    const input = { ...ref, ...staged, steps: registering, checks: [], artifact: ARTIFACT };
    const first = await run('registerVersion', input);
    expect(first.version).toBe('1.0.0');
    expect(await run('registerVersion', input)).toEqual(first);
    const error = { code: 'INTERNAL', message: 'late' } as const;
    await run('endPublish', { ...ref, status: 'failed', error, steps, checks: [] });
    expect(await uploads.find(ref.tenantId, ref.uploadId)).toMatchObject({
      status: 'published',
      versionId: first.versionId,
      steps: expect.arrayContaining([expect.objectContaining({ name: 'register', status: 'done' })]),
    });
  });

  it('shows in the row that the bundle was promoted and is being precompiled', async () => {
    const staged = await stage();
    const uploads = createUploadStore(database.db);
    await receive(staged);
    await run('openPublish', { ...ref, steps });
    const promoting = steps.map((step) =>
      step.name === 'promote' ? { ...step, status: 'running' as const } : step,
    );
    await run('promoteBundle', { ...ref, ...staged, steps: promoting, checks: [] });
    expect(await uploads.find(ref.tenantId, ref.uploadId)).toMatchObject({
      status: 'precompiling',
      steps: [{}, { name: 'promote', status: 'done' }, { name: 'precompile', status: 'running' }, {}],
    });
  });

  it('refuses to open an upload whose bytes have not arrived, and leaves it open for them', async () => {
    const uploads = createUploadStore(database.db);
    await announce(10);
    await expect(run('openPublish', { ...ref, steps })).rejects.toMatchObject({
      code: 'UPLOAD_INCOMPLETE',
    });
    expect((await uploads.find(ref.tenantId, ref.uploadId))?.status).toBe('uploading');
  });
});
