import { createHash, randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { publishWorkflowId } from '../../core/ids.ts';
import { packTarZst } from '../../platform/bundle/pack.ts';
import type { ObjectStore } from '../../platform/objects/object-store.ts';
import { createS3ObjectStore } from '../../platform/objects/s3-object-store.ts';
import type { TemporalConnection } from '../../platform/temporal/client.ts';
import type { PublishProgress } from '../../workflows/messages.ts';
import { connectTo } from '../storm/temporal.ts';
import { createTenant } from '../support/extensions.ts';
import { eventually } from '../support/eventually.ts';
import { startObjectStoreGate, type Hold, type ObjectStoreGate } from '../support/object-store-gate.ts';
import { publishPersistently, type Published, type TenantBundle } from '../support/persistent-publisher.ts';
import { startPlatform, type TestPlatform } from '../support/platform.ts';
import { PUBLISH_REQUESTS, type StepAtStore } from '../support/publish-requests.ts';
import { describeWithVersityGw, startVersityGw, type VersityGw } from '../support/start-versitygw.ts';
import { componentOfHostWorld } from '../support/tiny-components.ts';

const MIB = 1024 * 1024;
/** Processes start, and several publishes go on at once. */
const WITHIN_MS = 240_000;
const { initiate, upload, finalize, pin, verify, inspect, promote, precompile, register, cleanUp } =
  PUBLISH_REQUESTS;

interface Bundle extends TenantBundle {
  /** Hex. */
  sha256: string;
}

/** Each wave gets there while those before it are held: a worker has two bundles in hand at once, which promote and `reading`, precompile and inspect take up. */
const wavesWith = (reading: StepAtStore): StepAtStore[][] => [
  [cleanUp, register, precompile, promote],
  [inspect, finalize, upload, initiate],
  [reading],
];
const ROUNDS = [
  { when: 'before', what: 'before the store has heard of it', waves: wavesWith(pin) },
  { when: 'after', what: 'when the store has done its part', waves: wavesWith(verify) },
] as const;

interface Disturbed {
  bundle: Bundle;
  published?: Published;
  /** What the publisher was told by answers that had it ask again. */
  heard: Set<string>;
  /** By then. */
  left?: { versions: number; artifacts: number; uploads: number; keys: string[] };
  /** Of the same bytes, by nothing disturbed: the wildcard of their version makes them another one. */
  again?: Published;
}

await describeWithVersityGw('a publish', (binary) => {
  const closing = new AbortController();
  let server: VersityGw;
  let objects: ObjectStore;
  let gate: ObjectStoreGate;
  let platform: TestPlatform;
  let temporal: TemporalConnection;
  let db: pg.Client;
  let undisturbedKeys: string[];

  beforeAll(async () => {
    server = await startVersityGw(binary);
    objects = createS3ObjectStore(server.config);
    gate = await startObjectStoreGate(new URL(server.config.endpoint));
    platform = await startPlatform(
      { ...server.environment, STORAGE_S3_ENDPOINT: gate.endpoint },
      { anew: true },
    );
    temporal = connectTo(platform);
    db = await connect();
    const undisturbed = await bundleOf('undisturbed');
    const { uploadId } = await publish({ bundle: undisturbed, heard: new Set() });
    await endOf(uploadId); // which is after it has cleaned up
    undisturbedKeys = await keysOf(undisturbed);
    expect(undisturbedKeys.filter((key) => key.startsWith('staging/'))).toEqual([]);
  }, 900_000);
  afterAll(async () => {
    closing.abort();
    await db.end();
    await temporal.close();
    await gate.close();
    await platform.close();
    await server.close();
  }, 300_000);

  const patiently = (assertion: () => void | Promise<void>): Promise<void> =>
    eventually(assertion, WITHIN_MS);

  /** Fails with what Temporal still waits for. */
  async function timely<Result>(work: Promise<Result>): Promise<Result> {
    const over = new AbortController();
    const late = delay(WITHIN_MS, undefined, { signal: over.signal }).then(async () => {
      throw new Error(`this is still under way: ${JSON.stringify(await underWay(), undefined, 1)}`);
    });
    return Promise.race([work, late]).finally(() => over.abort());
  }

  async function underWay(): Promise<unknown[]> {
    const found: unknown[] = [];
    for await (const { workflowId } of temporal.client.workflow.list({
      query: 'ExecutionStatus = "Running"',
    })) {
      const { raw } = await temporal.client.workflow.getHandle(workflowId).describe();
      const activities = raw.pendingActivities?.map(({ activityType, attempt, lastFailure }) => {
        return [activityType?.name, attempt, lastFailure?.message];
      });
      found.push({ workflowId, activities, task: raw.pendingWorkflowTask });
    }
    return found;
  }

  async function connect(): Promise<pg.Client> {
    const client = new pg.Client({ connectionString: platform.local.databaseUrl });
    await client.connect();
    return client;
  }

  async function bundleOf(name: string, isLarge = false): Promise<Bundle> {
    const manifest = { name: 'killed', version: '1.0.*', displayName: name, publisher: name };
    const bytes = await packTarZst([
      { path: 'manifest.json', bytes: Buffer.from(JSON.stringify({ ...manifest, runtime: 'wasm-js@1' })) },
      { path: 'entry.wasm', bytes: await componentOfHostWorld() },
      ...(isLarge ? [{ path: 'ui/large.bin', bytes: randomBytes(17 * MIB) }] : []),
    ]);
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    return {
      ...(await createTenant(platform, name)),
      bytes,
      sha256,
      method: isLarge ? 'presigned' : 'proxy',
    };
  }

  const publish = ({ bundle, heard }: Pick<Disturbed, 'bundle' | 'heard'>): Promise<Published> =>
    publishPersistently(platform, bundle, { heard, signal: closing.signal });

  async function count(table: string, column: string, value: string): Promise<number> {
    const { rowCount } = await db.query(`select from ${table} where ${column} = $1`, [value]);
    return rowCount ?? 0;
  }

  /** Of what the store holds of a bundle, hashes left out. */
  async function keysOf({ tenantId, sha256 }: Bundle): Promise<string[]> {
    const found: string[] = [];
    for (const prefix of [`staging/${tenantId}/`, `sha256/${sha256}/`]) {
      for await (const { key } of objects.list(prefix)) found.push(key);
    }
    return found.map((key) => key.replaceAll(/[0-9a-f]{64}/g, 'HASH')).sort();
  }

  async function leftOf({ bundle, published }: Disturbed): Promise<NonNullable<Disturbed['left']>> {
    await endOf(published?.uploadId ?? '');
    const contentHash = `sha256:${bundle.sha256}`;
    return {
      versions: await count('extension_version', 'content_hash', contentHash),
      artifacts: await count('extension_artifact', 'content_hash', contentHash),
      uploads: await count('extension_upload', 'tenant_id', bundle.tenantId),
      keys: await keysOf(bundle),
    };
  }

  async function storedSha256({ sha256 }: Bundle): Promise<string> {
    const stored = await objects.read(`sha256/${sha256}/bundle.tar.zst`);
    const hash = createHash('sha256');
    for await (const chunk of stored?.body ?? []) hash.update(chunk);
    return hash.digest('hex');
  }

  /** The rows of an upload and of its version, without what every upload has of its own. */
  async function rowsOf(uploadId: string): Promise<unknown[]> {
    const sql = `select to_jsonb(u) - $2::text[] as upload, to_jsonb(v) - $2::text[] as version
                   from extension_upload u join extension_version v using (upload_id) where upload_id = $1`;
    const own = ['upload_id', 'version_id', 'store_upload_id', 'version', 'manifest', 'steps'];
    const times = ['created_at', 'updated_at', 'expires_at', 'published_at'];
    return (await db.query<object>(sql, [uploadId, [...own, ...times]])).rows;
  }

  /** How its workflow ended, but for times and attempts. */
  async function endOf(uploadId: string): Promise<unknown> {
    const handle = temporal.client.workflow.getHandle(publishWorkflowId(uploadId));
    const { steps, ...result } = (await handle.result()) as PublishProgress;
    const { status } = await handle.describe();
    return { ...result, workflow: status.name, steps: steps.map((step) => [step.name, step.status]) };
  }

  async function kill(name: StepAtStore['by']): Promise<void> {
    const before = platform.processes()[name];
    if (before === undefined) throw new Error(`${name} does not run`);
    process.kill(before, 'SIGKILL');
    await patiently(() => expect([undefined, before]).not.toContain(platform.processes()[name]));
  }

  /** From now on until it is let go: the version is there, and the upload's row, which we have locked, does not show it. */
  async function holdRow({ tenantId, sha256 }: Bundle, registering: Hold): Promise<() => Promise<void>> {
    const lock = await connect();
    await lock.query('begin');
    await lock.query('select from extension_upload where tenant_id = $1 for no key update', [tenantId]);
    registering.release();
    await patiently(async () =>
      expect(await count('extension_version', 'content_hash', `sha256:${sha256}`)).toBe(1),
    );
    return () => lock.end();
  }

  describe.each(ROUNDS)('whose processes are killed at every step, $what', ({ when, waves }) => {
    const steps = waves.flat();
    const disturbed = new Map<string, Disturbed>();
    const of = (name: string): Disturbed => disturbed.get(name) as Disturbed;
    let letRowGo: (() => Promise<void>) | undefined;

    beforeAll(async () => {
      const held = new Map<StepAtStore, Hold>();
      const publishing: Promise<unknown>[] = [];
      const areHeld = (): Promise<void> =>
        patiently(() => {
          const missing = [...held].filter(([, hold]) => hold.held() === 0).map(([{ name }]) => name);
          expect(missing).toEqual([]);
        });
      const begin = async (step: StepAtStore): Promise<void> => {
        const one: Disturbed = {
          bundle: await bundleOf(`${step.name} ${when}`, step.isLarge),
          heard: new Set(),
        };
        disturbed.set(step.name, one);
        held.set(step, gate.hold(step.at(one.bundle), when));
        const going = publish(one).then((published) => (one.published = published));
        going.catch(() => undefined); // told when all are awaited
        publishing.push(going);
      };
      for (const wave of waves) {
        for (const step of wave) await begin(step);
        await areHeld();
      }
      const registering = held.get(register);
      if (when === 'after' && registering) {
        letRowGo = await holdRow(of(register.name).bundle, registering);
        held.delete(register);
      }

      for (const name of ['lifecycle-worker', 'precompile-worker', 'gateway'] as const) {
        const own = [...held].filter(([{ by }]) => by === name).map(([, hold]) => hold);
        const begun = own.map((hold) => hold.begun());
        await kill(name);
        await patiently(() =>
          own.forEach((hold, at) => expect(hold.begun()).toBeGreaterThan(begun[at] ?? 0)),
        );
        await areHeld();
      }

      if (when === 'before') {
        // So that it has them when it dies.
        server.freeze();
        for (const hold of held.values()) hold.release();
        await patiently(() => expect(gate.passing()).toBeGreaterThanOrEqual(held.size));
      }
      await server.kill();
      for (const hold of held.values()) hold.breakOff();
      await patiently(() => {
        for (const [{ name }, hold] of held) expect([name, hold.refused()]).not.toEqual([name, 0]);
        for (const { name } of [initiate, upload]) expect([...of(name).heard]).not.toEqual([]);
      });
      await server.restart();
      await letRowGo?.();
      await timely(Promise.all(publishing));
      for (const one of disturbed.values()) one.left = await timely(leftOf(one));
      const next = { heard: new Set<string>() };
      await timely(
        Promise.all(
          [...disturbed.values()].map(
            async (one) => (one.again = await publish({ ...next, bundle: one.bundle })),
          ),
        ),
      );
    }, 1_200_000);
    afterAll(() => letRowGo?.());

    it.each(steps.map(({ name }) => name))('%s, ends as one that nothing disturbs', async (name) => {
      const { bundle, published, left, again } = of(name);
      const { uploadId, ...answered } = published as Published;
      const contentHash = `sha256:${bundle.sha256}`;
      expect(answered).toMatchObject({ contentHash, version: '1.0.0' });
      expect(left).toEqual({ versions: 1, artifacts: 1, uploads: 1, keys: undisturbedKeys });
      expect(await storedSha256(bundle)).toBe(bundle.sha256);

      const { uploadId: next, ...undisturbed } = again as Published;
      const { versionId, version } = answered;
      expect({ ...undisturbed, versionId, version }).toEqual(answered);
      expect(await endOf(uploadId)).toEqual(await endOf(next));
      expect(await endOf(uploadId)).toMatchObject({ status: 'published', workflow: 'COMPLETED' });
      expect(await rowsOf(uploadId)).toEqual(await rowsOf(next));
      expect(await rowsOf(uploadId)).toHaveLength(1);
    });

    it('tells publishers that it was the object store, and to send again', () => {
      const heard = steps.map(({ name }) => [name, [...of(name).heard]]);
      const away = ['503 OBJECT_STORE_UNAVAILABLE'];
      expect(heard).toEqual(steps.map((step) => [step.name, step.by === 'gateway' ? away : []]));
    });

    it('leaves no part of an upload behind, but where nobody knows that it began', async () => {
      const all = { before: new Date(Date.now() + 60_000), dryRun: true };
      for (const { name } of steps) {
        const left = await objects.removeUnfinished(`staging/${of(name).bundle.tenantId}/`, all);
        // One that the gateway, and one that the store was killed upon before anybody heard of it: the sweep takes them.
        expect([name, left]).toEqual([name, when === 'after' && name === initiate.name ? 2 : 0]);
      }
    });
  });
});
