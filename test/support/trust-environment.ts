import { randomUUID } from 'node:crypto';
import { WithStartWorkflowOperation, type Client, type WorkflowHandle } from '@temporalio/client';
import type { Knex } from 'knex';
import { createPublisherActivities } from '../../activities/publishers.ts';
import { createSignatureActivities } from '../../activities/signatures.ts';
import { createTrustActivities } from '../../activities/trust.ts';
import type { VersionTrust } from '../../activities/version-trust.ts';
import { canonicalJson } from '../../core/canonical-json.ts';
import type { DsseEnvelope } from '../../core/dsse-envelope.ts';
import { PlatformError } from '../../core/errors.ts';
import { LIFECYCLE_TASK_QUEUE } from '../../core/ids.ts';
import type { VersionStatus } from '../../core/progress.ts';
import type { TrustBundle } from '../../core/trust.ts';
import { createHydrationStore } from '../../platform/db/hydration.ts';
import { createInstallOperationStore } from '../../platform/db/install-operations.ts';
import { createInstallStore, type Install } from '../../platform/db/installs.ts';
import { createPublisherStore } from '../../platform/db/publishers.ts';
import { createSignatureStore, type SignatureStore } from '../../platform/db/signatures.ts';
import { createTrustStore, type TrustStore } from '../../platform/db/trust.ts';
import { createVersionTrustStore } from '../../platform/db/version-trust.ts';
import { createObjectKeys } from '../../platform/objects/keys.ts';
import type { ObjectStore } from '../../platform/objects/object-store.ts';
import { payloadDigest, type BundleFacts } from '../../platform/signatures/bundle-statement.ts';
import { trustChangedUpdate, type TrustProgress } from '../../workflows/messages.ts';
import { cancelAt } from './cancel-at.ts';
import { createTestDatabase } from './database.ts';
import { openInput, seedTenant, seedVersion } from './seed.ts';
import { sha256Hex, type Signer } from './signing.ts';
import { versionTrustOf } from './version-trust.ts';
import { watchActivities, type WatchedActivities } from './watched-activities.ts';
import { startWorkflowEnvironment } from './workflow-environment.ts';

const keys = createObjectKeys('sha256/');

type SeededVersion = Awaited<ReturnType<typeof seedVersion>>;

export interface Published extends SeededVersion {
  tenantId: string;
  /** What is to be signed of it. */
  facts: BundleFacts;
  installs: { tenantId: string; installId: string }[];
}

/** The real workflows and activities of trust, on a database of their own, with envelopes in memory. */
export interface TrustEnvironment {
  db: Knex;
  client: Client;
  watched: WatchedActivities;
  trust: TrustStore;
  versionTrust: VersionTrust;
  signatures: SignatureStore;
  /** What is in the object store, by its key. */
  stored: ReadonlyMap<string, Buffer>;
  /** No trust, and what was published is nobody's concern any more. */
  reset(): Promise<void>;
  /** A version of a tenant of its own that this key signed, with installs of as many other tenants. */
  published(signer: Signer | undefined, installs?: number): Promise<Published>;
  /** Puts another envelope beside its bundle, under the digest of its statement unless told otherwise. */
  sign(version: SeededVersion, envelope: DsseEnvelope, digest?: string): Promise<void>;
  /** Answers once what it changes binds. */
  begin(workflow: string, input: object, workflowId?: string): Promise<WorkflowHandle>;
  run(workflow: string, input: object): Promise<TrustProgress>;
  /** Begins a workflow and cancels it while an activity is at work. */
  cancelled(activity: string, workflow: string, input: object): Promise<void>;
  /** The first install of a version. */
  shown(version: Published): Promise<Install | undefined>;
  versionStatus(version: Published): Promise<VersionStatus | undefined>;
  stop(): Promise<void>;
}

/** `bundle`: that of the worker, which has adopted none yet. */
export async function startTrustEnvironment(name: string, bundle?: TrustBundle): Promise<TrustEnvironment> {
  const database = await createTestDatabase(name);
  const { db } = database;
  const stored = new Map<string, Buffer>();
  const objects = objectsIn(stored);
  const trust = createTrustStore(db, bundle);
  const versionTrust = versionTrustOf(db, objects, trust);
  const signatures = createSignatureStore(db);
  const { watched, activities } = watchActivities({
    ...createTrustActivities({ trust, versions: createVersionTrustStore(db), versionTrust }),
    ...createSignatureActivities({ signatures, trust, objects, keys }),
    ...createPublisherActivities({ publishers: createPublisherStore(db) }),
  });
  const workflows = await startWorkflowEnvironment(activities);
  const { client } = workflows;

  const on: TrustEnvironment = {
    ...{ db, client, watched, trust, versionTrust, signatures, stored },

    async reset() {
      watched.reset();
      await db('extension_trust_key').delete();
      await db('extension_version').update({ status: 'revoked' });
      await db('extension_trust').update({ revision: 1, file_digest: null, last_pass: null });
    },

    async published(signer, installs = 1) {
      const tenantId = await seedTenant(db);
      const version = await seedVersion(db, tenantId, { publisher: `P ${randomUUID()}`, version: '1.2.3' });
      const { contentHash, versionId, manifest } = version;
      const bytes = Buffer.from(JSON.stringify(manifest));
      stored.set(keys.manifest(contentHash), bytes);
      const { name } = manifest;
      const facts = { contentHash, manifestSha256: sha256Hex(bytes), name, version: '1.2.3' };
      if (signer) {
        await on.sign(version, signer.sign(facts));
        await db('extension_version')
          .where({ version_id: versionId })
          .update({ signed_by: [signer.keyId] });
      }
      const own: Published['installs'] = [];
      for (let n = 0; n < installs; n += 1) own.push(await installed(db, version));
      return { ...version, tenantId, facts, installs: own };
    },

    async sign({ contentHash }, envelope, digest = payloadDigest(envelope)) {
      stored.set(keys.signature(contentHash, digest), Buffer.from(canonicalJson(envelope)));
      await db('extension_signature').insert({ content_hash: contentHash, digest });
    },

    async begin(workflow, input, workflowId = `${workflow}:${randomUUID()}`) {
      const startWorkflowOperation = new WithStartWorkflowOperation(workflow, {
        workflowId,
        taskQueue: LIFECYCLE_TASK_QUEUE,
        args: [input],
        workflowIdConflictPolicy: 'USE_EXISTING',
      });
      await client.workflow.executeUpdateWithStart(trustChangedUpdate, {
        args: [input],
        startWorkflowOperation,
      });
      return startWorkflowOperation.workflowHandle();
    },

    async run(workflow, input) {
      return (await on.begin(workflow, input)).result() as Promise<TrustProgress>;
    },

    async cancelled(activity, workflow, input) {
      const workflowId = `${workflow}:${randomUUID()}`;
      await cancelAt(
        Object.assign(watched, { client }),
        activity,
        () => client.workflow.getHandle(workflowId),
        () => on.begin(workflow, input, workflowId),
      );
      watched.reset();
    },

    async shown({ installs: [own] }) {
      return own && createInstallStore(db).find(own.tenantId, own.installId);
    },

    async versionStatus({ installs: [own] }) {
      return own && (await createHydrationStore(db).byInstall(own.tenantId, own.installId))?.versionStatus;
    },

    async stop() {
      await workflows.stop();
      await database.drop();
    },
  };
  return on;
}

async function installed(
  db: Knex,
  { extensionId, versionId }: SeededVersion,
): Promise<{ tenantId: string; installId: string }> {
  const tenantId = await seedTenant(db);
  const installId = randomUUID();
  const operations = createInstallOperationStore(db);
  await operations.open(tenantId, openInput({ installId, extensionId, versionId }));
  await operations.activate(tenantId, installId, versionId, []);
  return { tenantId, installId };
}

/** An object store's part that trust needs, in memory. */
function objectsIn(stored: Map<string, Buffer>): Pick<ObjectStore, 'read' | 'putOnce'> {
  return {
    read(key) {
      const bytes = stored.get(key);
      return Promise.resolve(bytes && { size: bytes.byteLength, body: chunksOf(bytes) });
    },
    putOnce(key, bytes) {
      const there = stored.get(key);
      const given = Buffer.from(bytes as Uint8Array);
      if (there && !there.equals(given))
        return Promise.reject(new PlatformError('OBJECT_CONFLICT', 'other bytes'));
      stored.set(key, given);
      return Promise.resolve();
    },
  };
}

async function* chunksOf(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield await Promise.resolve(bytes);
}
