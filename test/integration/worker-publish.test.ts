import { execFile } from 'node:child_process';
import { createHash, createPublicKey, generateKeyPairSync, randomUUID, type KeyObject } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { WorkflowHandle } from '@temporalio/client';
import { ARTIFACT_TARGET } from '../../core/artifact-target.ts';
import { precompileWorkflowId } from '../../core/ids.ts';
import { packTarZst } from '../../platform/bundle/pack.ts';
import { createUploadStore } from '../../platform/db/uploads.ts';
import { createFolderObjectStore } from '../../platform/objects/folder-object-store.ts';
import { createObjectKeys } from '../../platform/objects/keys.ts';
import { keyIdOf } from '../../platform/signatures/dsse.ts';
import { readPrivateKey } from '../../platform/tokens/ed25519.ts';
import { buildWorkflows } from '../../scripts/build-workflows.ts';
import { buildComponent } from '../support/components.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import type { PublishBundleInput } from '../../workflows/messages.ts';
import { eventually } from '../support/eventually.ts';
import { beginPublish } from '../support/fake-publish.ts';
import { seedTenant, seedUpload } from '../support/seed.ts';
import { componentOfHostWorld } from '../support/tiny-components.ts';
import { startWorkerProcess, type WorkerProcess } from '../support/worker-process.ts';
import {
  createTestNamespace,
  failureCode,
  stepStatuses,
  TEST_CODEC_KEY,
  type TestNamespace,
} from '../support/workflow-environment.ts';

const keys = createObjectKeys('sha256/');
const running = new Set<WorkerProcess>();
let folder: string;
let database: TestDatabase;
let temporal: TestNamespace;
let environment: Record<string, string>;
let files: { path: string; bytes: Uint8Array }[];

beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'alga-worker-'));
  database = await createTestDatabase('worker_publish');
  temporal = await createTestNamespace();
  const { file } = await buildWorkflows(() => undefined);
  const { privateKey } = generateKeyPairSync('ed25519');
  environment = {
    TEMPORAL_ADDRESS: temporal.address,
    TEMPORAL_NAMESPACE: temporal.namespace,
    PAYLOAD_CODEC_KEY: TEST_CODEC_KEY.reveal(),
    STORAGE_FOLDER: path.join(folder, 'objects'),
    DATABASE_URL: database.url,
    GATEWAY_BASE_URL: 'http://127.0.0.1:9',
    WORKER_GATEWAY_TOKEN: 'unused',
    WORKFLOW_BUNDLE: file,
    ARTIFACT_SIGNING_PRIVATE_KEY: der(privateKey),
    LOG_LEVEL: 'info',
  };
  ({ files } = await buildComponent('hello', { engine: 'quickjs' }));
}, 240_000);

afterEach(async () => {
  await Promise.all([...running].map((worker) => worker.kill()));
  running.clear();
});

afterAll(async () => {
  await temporal.close();
  await database.drop();
  await rm(folder, { recursive: true, force: true });
});

function start(kind: 'lifecycle' | 'precompile'): WorkerProcess {
  const worker = startWorkerProcess({ ...environment, WORKER_KIND: kind });
  running.add(worker);
  return worker;
}

const uploads = () => createUploadStore(database.db);
const objects = () => createFolderObjectStore({ folder: path.join(folder, 'objects') });

/** An upload whose bytes have arrived. */
async function upload(bytes: Uint8Array): Promise<PublishBundleInput> {
  const tenantId = await seedTenant(database.db);
  const uploadId = randomUUID();
  await seedUpload(database.db, { tenantId, uploadId }, bytes.byteLength);
  await objects().put(keys.staging(tenantId, uploadId), bytes);
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  await uploads().markReceived(tenantId, uploadId, { size: bytes.byteLength, sha256 });
  return { tenantId, uploadId, requestedBy: 'key:publisher' };
}

/** The hello example under a publisher of its own, so that tests do not meet; or another component with its manifest. */
async function helloBundle(publisher: string, component?: Uint8Array): Promise<Uint8Array> {
  return packTarZst(
    files.map((file) => {
      if (file.path.endsWith('.wasm')) return { ...file, bytes: component ?? file.bytes };
      if (file.path !== 'manifest.json') return file;
      const manifest = JSON.parse(Buffer.from(file.bytes).toString('utf8')) as object;
      return { path: file.path, bytes: Buffer.from(JSON.stringify({ ...manifest, publisher })) };
    }),
  );
}

async function versionsOf(publisher: string): Promise<number> {
  const rows = (await database
    .db('extension_version as v')
    .join('extension_registry as e', 'e.extension_id', 'v.extension_id')
    .where('e.publisher_slug', publisher)
    .select('v.version_id')) as unknown[];
  return rows.length;
}

function der(key: KeyObject): string {
  const options = { format: 'der', type: key.type === 'private' ? 'pkcs8' : 'spki' } as const;
  return key.export(options as { format: 'der'; type: 'spki' }).toString('base64');
}

function contentHashOf(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

/** Waits until a worker has begun the activity. */
async function untilStarted(handle: WorkflowHandle, activity: string): Promise<void> {
  await eventually(async () => {
    const { raw } = await handle.describe();
    const started = (raw.pendingActivities ?? []).filter(({ lastStartedTime }) => lastStartedTime);
    expect(started.map(({ activityType }) => activityType?.name)).toContain(activity);
  });
}

describe('workers as processes', () => {
  it('publish a real bundle, and leave what a runner needs and nothing in staging', async () => {
    start('lifecycle');
    start('precompile');
    const bytes = await helloBundle('first');
    const ref = await upload(bytes);
    const result = await (await beginPublish(temporal.client, ref)).result();
    expect(result.status).toBe('published');
    const row = await uploads().find(ref.tenantId, ref.uploadId);
    expect(row).toMatchObject({ status: 'published', checks: result.checks });
    expect(stepStatuses(row ?? {})).toEqual(stepStatuses(result));
    expect(stepStatuses(result)).toEqual({
      verify: 'done',
      promote: 'done',
      precompile: 'done',
      register: 'done',
    });
    expect(Object.fromEntries(result.checks.map((check) => [check.name, check.result]))).toEqual({
      digest: 'passed',
      archive: 'passed',
      manifest: 'passed',
      features: 'passed',
      files: 'passed',
      signature: 'skipped',
      capabilities: 'passed',
      publisher: 'passed',
      version: 'passed',
      component: 'passed',
      imports: 'passed',
      wasi: 'failed', // StarlingMonkey imports file system and sockets; they give no access
      rewind: 'passed',
    });
    const contentHash = contentHashOf(bytes);
    for (const key of [
      keys.bundle(contentHash),
      keys.manifest(contentHash),
      keys.component(contentHash),
      keys.artifact(contentHash, ARTIFACT_TARGET),
    ]) {
      expect([key, await objects().read(key)]).toEqual([
        key,
        expect.objectContaining({ size: expect.any(Number) }),
      ]);
    }
    expect(await objects().read(keys.staging(ref.tenantId, ref.uploadId))).toBeUndefined();
  });

  it.each([
    [
      'writes-a-table',
      { fields: '(table 1 funcref) (func (table.set (i32.const 0) (ref.null func)))' },
      /^table\.set in function \d+ of core0\.wasm changes/,
    ],
    ['needs-glue', { stringEncoding: 'utf16' } as const, /^the component uses strings that are not UTF-8/],
  ])(
    'publish a component that cannot be rewound (%s), and advise its publisher why',
    async (publisher, core, detail) => {
      start('lifecycle');
      start('precompile');
      const component = await componentOfHostWorld(undefined, core);
      const ref = await upload(await helloBundle(publisher, component));
      const result = await (await beginPublish(temporal.client, ref)).result();
      expect(result.status).toBe('published');
      const row = await uploads().find(ref.tenantId, ref.uploadId);
      expect(row?.checks.find(({ name }) => name === 'rewind')).toEqual({
        name: 'rewind',
        result: 'failed',
        required: false,
        detail: expect.stringMatching(detail),
      });
      expect(await versionsOf(publisher)).toBe(1);
    },
    60_000,
  );

  it('refuse a damaged bundle by the check that failed', async () => {
    start('lifecycle');
    const bytes = await helloBundle('damaged');
    const ref = await upload(bytes.subarray(0, bytes.byteLength - 100));
    const result = await (await beginPublish(temporal.client, ref)).result();
    expect(result.status).toBe('rejected');
    expect(result.checks.find(({ name }) => name === 'archive')).toMatchObject({
      result: 'failed',
      required: true,
    });
    expect(await uploads().find(ref.tenantId, ref.uploadId)).toMatchObject({
      status: 'rejected',
      error: { code: 'BUNDLE_CORRUPT' },
    });
  });

  it('refuse a version that exists, before the component is looked at', async () => {
    start('lifecycle');
    const precompile = start('precompile');
    const bytes = await helloBundle('twice');
    const first = await upload(bytes);
    await (await beginPublish(temporal.client, first)).result();
    await precompile.kill();
    const second = await upload(bytes);
    await database.db('extension_publisher').where({ slug: 'twice' }).update({ tenant_id: second.tenantId });
    const result = await (await beginPublish(temporal.client, second)).result();
    expect(result.status).toBe('rejected');
    expect(await uploads().find(second.tenantId, second.uploadId)).toMatchObject({
      error: { code: 'VERSION_EXISTS' },
    });
    expect(await versionsOf('twice')).toBe(1);
  });

  it('finish a publish whose precompile worker was killed in the middle, once', async () => {
    start('lifecycle');
    const doomed = start('precompile');
    // Of StarlingMonkey, which takes seconds: a worker that is killed is at work.
    const { component } = await buildComponent('hello');
    const bytes = await helloBundle('killed-precompile', component);
    const handle = await beginPublish(temporal.client, await upload(bytes));
    const making = precompileWorkflowId(contentHashOf(bytes), ARTIFACT_TARGET);
    await untilStarted(temporal.client.workflow.getHandle(making), 'precompileBundle');
    await doomed.kill();
    start('precompile');
    expect((await handle.result()).status).toBe('published');
    expect(await versionsOf('killed-precompile')).toBe(1);
  });

  it('finish a publish whose lifecycle worker was killed in the middle, once', async () => {
    const doomed = start('lifecycle');
    const ref = await upload(await helloBundle('killed-lifecycle'));
    const handle = await beginPublish(temporal.client, ref);
    await doomed.kill();
    start('lifecycle');
    start('precompile');
    expect((await handle.result()).status).toBe('published');
    expect(await versionsOf('killed-lifecycle')).toBe(1);
  });

  it('end a publish as failed when it is cancelled, and keep no version', async () => {
    start('lifecycle');
    const ref = await upload(await helloBundle('cancelled'));
    const handle = await beginPublish(temporal.client, ref);
    await handle.cancel();
    await failureCode(handle.result());
    expect(await uploads().find(ref.tenantId, ref.uploadId)).toMatchObject({
      status: 'failed',
      error: { code: 'OPERATION_CANCELLED' },
    });
    expect(await versionsOf('cancelled')).toBe(0);
    expect(await objects().read(keys.staging(ref.tenantId, ref.uploadId))).toBeUndefined();
  });

  it('sign anew with another key when they start with it, and npm run recompile says when all is done', async () => {
    start('lifecycle');
    const before = start('precompile');
    const bytes = await helloBundle('rotated');
    const first = await beginPublish(temporal.client, await upload(bytes));
    expect((await first.result()).status).toBe('published');
    await before.stop();
    const oldKey = createPublicKey(readPrivateKey(environment['ARTIFACT_SIGNING_PRIVATE_KEY'] ?? ''));
    const newKey = generateKeyPairSync('ed25519');
    const keyId = keyIdOf(newKey.publicKey);
    const rotated = {
      ...environment,
      WORKER_KIND: 'precompile',
      ARTIFACT_SIGNING_PRIVATE_KEY: der(newKey.privateKey),
      ARTIFACT_SIGNING_PREVIOUS_PUBLIC_KEYS: der(oldKey),
    };
    running.add(startWorkerProcess(rotated));
    const env = { ...environment, ARTIFACT_SIGNING_PUBLIC_KEY: der(newKey.publicKey) };
    const { stdout } = await promisify(execFile)(process.execPath, ['scripts/recompile.ts'], { env });
    expect(stdout).toContain(`recompile:${ARTIFACT_TARGET}:${keyId}`);
    expect(stdout).toContain('nothing is left to make');
    const facts = { content_hash: contentHashOf(bytes), target: ARTIFACT_TARGET };
    const row: unknown = await database.db('extension_artifact').where(facts).first();
    expect(row).toMatchObject({ key_id: keyId });
  });

  it('leave on SIGTERM with exit code 0', async () => {
    const worker = start('lifecycle');
    await eventually(() => expect(worker.output()).toContain('RUNNING'));
    expect(await worker.stop()).toBe(0);
    expect(worker.output()).toContain('worker stopped');
  });
});
