import { createHash, randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import type { Client } from '@temporalio/client';
import { createArtifactActivities } from '../../activities/artifacts.ts';
import { createBundleActivities } from '../../activities/bundles.ts';
import { createUploadActivities } from '../../activities/uploads.ts';
import { packTarZst } from '../../platform/bundle/pack.ts';
import { createArtifactStore } from '../../platform/db/artifacts.ts';
import { createUploadStore } from '../../platform/db/uploads.ts';
import { createFolderObjectStore } from '../../platform/objects/folder-object-store.ts';
import { createObjectKeys } from '../../platform/objects/keys.ts';
import type { ObjectStore } from '../../platform/objects/object-store.ts';
import type { BundleFacts } from '../../platform/signatures/bundle-statement.ts';
import type { PublishBundleInput } from '../../workflows/messages.ts';
import { createTestDatabase, type TestDatabase } from './database.ts';
import { fakePublishActivities } from './fake-publish.ts';
import { judgingActivities } from './judging-activities.ts';
import { seedTenant, seedUpload } from './seed.ts';
import { sha256Hex } from './signing.ts';
import { watchActivities, type WatchedActivities } from './watched-activities.ts';
import { startWorkflowEnvironment } from './workflow-environment.ts';

export interface PublishEnvironment extends WatchedActivities {
  db: TestDatabase['db'];
  client: Client;
  objects: ObjectStore;
  keys: ReturnType<typeof createObjectKeys>;
  /** What would run jco, `inspectComponent` and `precompileBundle`; a test says what differs. */
  tools: Pick<ReturnType<typeof fakePublishActivities>, 'script'>;
  /** An upload whose bytes have arrived, of a tenant of its own: a bundle with these manifest fields. */
  uploaded(
    fields?: Record<string, unknown>,
  ): Promise<PublishBundleInput & { contentHash: string; facts: BundleFacts }>;
  stop(): Promise<void>;
}

/** The real workflows and activities of publishes, on a database and an object store of their own; what would run jco is scripted. */
export async function startPublishEnvironment(name: string): Promise<PublishEnvironment> {
  const database = await createTestDatabase(name);
  const { db } = database;
  const folder = await mkdtemp(path.join(os.tmpdir(), 'alga-publish-'));
  const objects = createFolderObjectStore({ folder });
  const keys = createObjectKeys('sha256/');
  const uploads = createUploadStore(db);
  const fakes = fakePublishActivities();
  const { watched, activities } = watchActivities({
    ...fakes.activities,
    ...createUploadActivities({ uploads, objects, keys }),
    ...judgingActivities(db, { objects, keys }),
    ...createBundleActivities({ objects, keys, uploads }),
    ...createArtifactActivities({ artifacts: createArtifactStore(db) }),
  });
  const workflows = await startWorkflowEnvironment(activities);
  const { reset } = watched;
  return Object.assign(watched, {
    db,
    client: workflows.client,
    objects,
    keys,
    tools: fakes,
    reset() {
      reset();
      fakes.reset();
    },
    async uploaded(fields: Record<string, unknown> = {}) {
      const expiresAt = new Date(Date.now() + 3_600_000).toISOString();
      const ref = {
        tenantId: await seedTenant(db),
        uploadId: randomUUID(),
        requestedBy: 'key:publisher',
        expiresAt,
      };
      const manifest = manifestOf({ publisher: ref.tenantId, ...fields });
      const { name, version } = manifest;
      const manifestBytes = Buffer.from(JSON.stringify(manifest));
      const bytes = await bundleOf(manifestBytes);
      const sha256 = createHash('sha256').update(bytes).digest('hex');
      await seedUpload(db, ref, bytes.byteLength);
      await objects.put(keys.staging(ref), bytes);
      await uploads.markReceived(ref.tenantId, ref.uploadId, { size: bytes.byteLength, sha256 });
      const contentHash = `sha256:${sha256}`;
      const facts = { contentHash, manifestSha256: sha256Hex(manifestBytes), name, version };
      return { ...ref, contentHash, facts };
    },
    async stop() {
      await workflows.stop();
      await database.drop();
      await rm(folder, { recursive: true, force: true });
    },
  });
}

/** Well formed to all but jco: the component is a header. */
function bundleOf(manifest: Uint8Array): Promise<Uint8Array> {
  return packTarZst([
    { path: 'manifest.json', bytes: manifest },
    { path: 'entry.wasm', bytes: Buffer.from('\0asm\r\0\u0001\0') },
  ]);
}

function manifestOf(
  fields: Record<string, unknown>,
): Record<string, unknown> & { name: string; version: string } {
  return {
    name: 'sample',
    version: '1.0.*',
    displayName: 'Sample',
    runtime: 'wasm-js@1',
    ...fields,
  };
}
