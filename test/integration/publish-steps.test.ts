import { randomBytes, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { WorkflowHandle } from '@temporalio/client';
import { PlatformError } from '../../core/errors.ts';
import {
  LIFECYCLE_TASK_QUEUE,
  precompileWorkflowId,
  publishWorkflowId,
  recompileWorkflowId,
} from '../../core/ids.ts';
import { createArtifactStore } from '../../platform/db/artifacts.ts';
import { createUploadStore } from '../../platform/db/uploads.ts';
import { startRecompile } from '../../platform/temporal/start-recompile.ts';
import { recompileProgressQuery } from '../../workflows/messages.ts';
import { cancelAt } from '../support/cancel-at.ts';
import { ARTIFACT, beginPublish } from '../support/fake-publish.ts';
import { eventually } from '../support/eventually.ts';
import { startPublishEnvironment, type PublishEnvironment } from '../support/publish-environment.ts';
import { seedTenant, seedVersion } from '../support/seed.ts';
import { failureCode } from '../support/workflow-environment.ts';

const CANCELLABLE = ['openPublish', 'verifyBundle', 'inspectComponent', 'promoteBundle'];
const PRECOMPILE = ['precompileBundle', 'recordArtifact'];
const PUBLISH = [...CANCELLABLE, ...PRECOMPILE, 'registerVersion', 'removeStaging'];
const RECOMPILE = ['countOutdatedBundles', 'listOutdatedBundles', ...PRECOMPILE];
const { target } = ARTIFACT;

let on: PublishEnvironment;
beforeAll(async () => {
  on = await startPublishEnvironment('publish_steps');
});
afterAll(() => on.stop());
beforeEach(() => on.reset());

const lose = (activities: string[]): void => activities.forEach((activity) => void on.lost.add(activity));
const twice = (activities: string[]): string[] => activities.flatMap((activity) => [activity, activity]);
const statusOf = async (handle: WorkflowHandle): Promise<string> => (await handle.describe()).status.name;
const precompileOf = (contentHash: string): WorkflowHandle =>
  on.client.workflow.getHandle(precompileWorkflowId(contentHash, target));

describe('a publish', () => {
  let input: Awaited<ReturnType<PublishEnvironment['uploaded']>>;
  beforeEach(async () => {
    input = await on.uploaded();
  });
  const publish = (): Promise<WorkflowHandle> => beginPublish(on.client, input);
  const operation = (): WorkflowHandle => on.client.workflow.getHandle(publishWorkflowId(input.uploadId));
  const row = () => createUploadStore(on.db).find(input.tenantId, input.uploadId);
  /** Bytes in staging, versions, and artifacts that are written down. */
  const left = async (): Promise<number[]> => {
    const { contentHash } = input;
    const staged = await on.objects.read(on.keys.staging(input));
    await staged?.body[Symbol.asyncIterator]().return?.();
    const versions = await on.db('extension_version').where({ content_hash: contentHash });
    const artifacts = await on.db('extension_artifact').where({ content_hash: contentHash });
    return [staged ? 1 : 0, versions.length, artifacts.length];
  };

  it('comes to the same when every activity has worked and its answer was lost', async () => {
    lose(PUBLISH);
    expect(await (await publish()).result()).toMatchObject({ status: 'published' });
    expect(on.calls).toEqual(twice(PUBLISH));
    expect(await row()).toMatchObject({ status: 'published', versionId: expect.any(String) as unknown });
    expect(await left()).toEqual([0, 1, 1]);
  });

  it.each([...CANCELLABLE, ...PRECOMPILE])(
    'that is cancelled at %s leaves nothing but a row that says so',
    async (activity) => {
      await cancelAt(on, activity, operation, publish);
      expect(await statusOf(operation())).toBe('CANCELLED');
      // Others may wait for the artifact: its making goes on. Nobody has it written down for a version that there is not.
      if (PRECOMPILE.includes(activity)) await precompileOf(input.contentHash).result();
      expect(await row()).toMatchObject({ status: 'failed', error: { code: 'OPERATION_CANCELLED' } });
      expect(await left()).toEqual([0, 0, 0]);
    },
  );

  it.each(['registerVersion', 'removeStaging'])('that is cancelled at %s is done', async (activity) => {
    await cancelAt(on, activity, operation, publish);
    expect(await operation().result()).toMatchObject({ status: 'published' });
    expect(await row()).toMatchObject({ status: 'published' });
    expect(await left()).toEqual([0, 1, 1]);
  });

  it('that comes to nothing leaves nothing, though the answers to that are lost', async () => {
    on.before = (name) => {
      if (name === 'promoteBundle') throw new PlatformError('NOT_FOUND', 'gone');
    };
    lose(['endPublish', 'removeStaging']);
    expect(await failureCode((await publish()).result())).toBe('NOT_FOUND');
    expect(on.calls.slice(-4)).toEqual(twice(['endPublish', 'removeStaging']));
    expect(await row()).toMatchObject({ status: 'failed', error: { code: 'NOT_FOUND' } });
    expect(await left()).toEqual([0, 0, 0]);
  });

  it.each(['endPublish', 'removeStaging'])(
    'of a bundle at fault is rejected, though it is cancelled at %s',
    async (activity) => {
      input = await on.uploaded({ capabilities: ['events.emit'] });
      await cancelAt(on, activity, operation, publish);
      expect(await operation().result()).toMatchObject({ status: 'rejected' });
      expect(await row()).toMatchObject({ status: 'rejected', error: { code: 'CAPABILITY_UNAVAILABLE' } });
      expect(await left()).toEqual([0, 0, 0]);
    },
  );

  it('whose precompile is cancelled by itself leaves nothing but a row that says so, and its story', async () => {
    await cancelAt(on, 'precompileBundle', () => precompileOf(input.contentHash), publish);
    expect(await failureCode(operation().result())).toBe('OPERATION_CANCELLED');
    expect(await statusOf(operation())).toBe('FAILED');
    await expect(operation().result()).rejects.toMatchObject({
      cause: { message: expect.stringContaining('precompile') as unknown },
    });
    expect(await row()).toMatchObject({ status: 'failed', error: { code: 'OPERATION_CANCELLED' } });
    expect(await left()).toEqual([0, 0, 0]);
  });
});

describe('a precompile', () => {
  let contentHash: string;
  beforeEach(async () => {
    ({ contentHash } = await seedVersion(on.db, await seedTenant(on.db), { publisher: randomUUID() }));
    on.tools.script({ precompileBundle: () => ({ artifact: made, attempts: 1 }) });
  });
  const made = { ...ARTIFACT, sha256: '34'.repeat(32) };
  const precompile = (): Promise<WorkflowHandle> =>
    on.client.workflow.start('precompile', {
      workflowId: precompileWorkflowId(contentHash, target),
      taskQueue: LIFECYCLE_TASK_QUEUE,
      args: [{ contentHash, target }],
    });
  const written = (): Promise<unknown[]> =>
    on.db('extension_artifact').where({ content_hash: contentHash }).pluck('sha256');

  it('comes to the same when every activity has worked and its answer was lost', async () => {
    lose(PRECOMPILE);
    expect(await (await precompile()).result()).toMatchObject({ artifact: made });
    expect(on.calls).toEqual(twice(PRECOMPILE));
    expect(await written()).toEqual([made.sha256]);
  });

  it.each(PRECOMPILE)('that is cancelled at %s is, and the next one makes the artifact', async (activity) => {
    await cancelAt(on, activity, () => precompileOf(contentHash), precompile);
    expect(await statusOf(precompileOf(contentHash))).toBe('CANCELLED');
    // Writing it down lands late and is true: the artifact is there.
    const late = activity === 'recordArtifact';
    expect((await written()).includes(made.sha256)).toBe(late);
    await (await precompile()).result();
    expect(await written()).toEqual([made.sha256]);
  });
});

describe('a recompile of all', () => {
  const AT_ONCE = 2;
  let goal: { target: string; keyId: string; atOnce: number };
  let total: number;
  beforeEach(async () => {
    await on.db.raw('truncate extension_registry cascade');
    await on.db.raw('truncate extension_bundle cascade');
    const tenantId = await seedTenant(on.db);
    total = AT_ONCE + 1;
    for (let n = 0; n < total; n += 1)
      await seedVersion(on.db, tenantId, { publisher: tenantId, version: `1.0.${n}` });
    goal = { target, keyId: `sha256:${randomBytes(32).toString('hex')}`, atOnce: AT_ONCE };
    const { keyId } = goal;
    on.tools.script({ precompileBundle: () => ({ artifact: { ...ARTIFACT, keyId }, attempts: 1 }) });
  });
  const recompile = async (): Promise<WorkflowHandle> =>
    on.client.workflow.getHandle(await startRecompile(on.client, goal));
  const operation = (): WorkflowHandle =>
    on.client.workflow.getHandle(recompileWorkflowId(goal.target, goal.keyId));
  const outdated = (): Promise<number> => createArtifactStore(on.db).countOutdated(goal);
  const count = (activity: string): number => on.calls.filter((name) => name === activity).length;

  it('comes to the same when every activity has worked and its answer was lost', async () => {
    lose(RECOMPILE);
    expect(await (await recompile()).result()).toMatchObject({ left: 0, done: total, failed: 0 });
    expect(on.lost).toEqual(new Set());
    expect(PRECOMPILE.map(count)).toEqual([total + 1, total + 1]);
    expect(await outdated()).toBe(0);
  });

  it.each(RECOMPILE)(
    'that is cancelled at %s begins no more, and the next one makes the rest, once',
    async (activity) => {
      await cancelAt(on, activity, operation, recompile);
      expect(await statusOf(operation())).toBe('CANCELLED');
      // What was not made because of it has not failed.
      const progress = { done: 0, failed: 0, failures: [] };
      expect(await operation().query(recompileProgressQuery)).toMatchObject(progress);
      const begun = count('precompileBundle');
      expect(begun).toBeLessThanOrEqual(PRECOMPILE.includes(activity) ? AT_ONCE : 0);
      expect(await (await recompile()).result()).toMatchObject({ left: 0, failed: 0 });
      expect(await outdated()).toBe(0);
      expect(count('precompileBundle')).toBe(total);
    },
  );

  it('goes on when one precompile is cancelled by itself, and says which', async () => {
    const [{ contentHash } = { contentHash: '' }] = await createArtifactStore(on.db).listOutdated(goal, {
      limit: 1,
    });
    await cancelAt(on, 'precompileBundle', () => precompileOf(contentHash), recompile);
    const handle = operation();
    await eventually(async () =>
      expect(await handle.query(recompileProgressQuery)).toMatchObject({
        left: 1,
        done: total - 1,
        failed: 1,
        failures: [{ contentHash, code: 'OPERATION_CANCELLED' }],
      }),
    );
    await handle.terminate('the next pass comes after a pause');
  });
});
