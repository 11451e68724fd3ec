import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import type { Client, WorkflowHandle } from '@temporalio/client';
import { PlatformError } from '../../core/errors.ts';
import { precompileWorkflowId } from '../../core/ids.ts';
import type { OutdatedBundle } from '../../platform/db/artifacts.ts';
import { startRecompile } from '../../platform/temporal/start-recompile.ts';
import { recompileProgressQuery } from '../../workflows/messages.ts';
import type { recompileAll } from '../../workflows/recompile-all.ts';
import { eventually } from '../support/eventually.ts';
import { ARTIFACT, beginPublish, fakePublishActivities } from '../support/fake-publish.ts';
import { startWorkflowEnvironment, type WorkflowEnvironment } from '../support/workflow-environment.ts';

const fakes = fakePublishActivities();
const { target } = ARTIFACT;
let environment: WorkflowEnvironment;
let client: Client;

beforeAll(async () => {
  environment = await startWorkflowEnvironment(fakes.activities);
  client = environment.client;
});
afterAll(() => environment.stop());
beforeEach(() => fakes.reset());

/** A registry with so many outdated bundles; what is recorded is outdated no more. */
function registryOf(
  count: number,
  make: (contentHash: string) => Promise<unknown> = () => Promise.resolve(),
): { hashes: string[]; outdated: () => string[] } {
  const bundles: OutdatedBundle[] = Array.from({ length: count }, (_none, turn) => {
    const contentHash = `sha256:${String(turn).padStart(64, '0')}`;
    return { contentHash, tenantId: randomUUID(), position: { installed: false, turn, contentHash } };
  });
  const left = new Set(bundles.map(({ contentHash }) => contentHash));
  fakes.script({
    countOutdatedBundles: () => left.size,
    listOutdatedBundles: ({ after, limit }) =>
      bundles
        .filter(({ contentHash, position }) => left.has(contentHash) && position.turn > (after?.turn ?? -1))
        .slice(0, limit),
    precompileBundle: async ({ contentHash }) => {
      await make(contentHash);
      return { artifact: ARTIFACT, attempts: 1 };
    },
    recordArtifact: ({ contentHash }) => void left.delete(contentHash),
  });
  return { hashes: [...left], outdated: () => [...left] };
}

async function start(): Promise<WorkflowHandle<typeof recompileAll>> {
  return client.workflow.getHandle(await startRecompile(client, { target, keyId: `sha256:${randomUUID()}` }));
}

const made = (): unknown[] =>
  fakes.calls.flatMap(({ name, input }) => (name === 'precompileBundle' ? [input['contentHash']] : []));

describe('recompileAll', () => {
  it('ends at once when nothing is outdated', async () => {
    registryOf(0);
    expect(await (await start()).result()).toMatchObject({ left: 0, done: 0, failed: 0 });
    expect(made()).toEqual([]);
  });

  it('makes every outdated artifact once, over several pages, a few at a time', async () => {
    let running = 0;
    let most = 0;
    const { hashes, outdated } = registryOf(60, async () => {
      most = Math.max(most, (running += 1));
      await new Promise(setImmediate);
      running -= 1;
    });
    expect(await (await start()).result()).toMatchObject({ left: 0, done: 60, failed: 0 });
    expect(made().sort()).toEqual(hashes);
    expect(outdated()).toEqual([]);
    expect(most).toBeLessThanOrEqual(4);
  });

  it('goes on after one that cannot be made, and says which and why', async () => {
    const broken = `sha256:${'1'.padStart(64, '0')}`;
    registryOf(3, (contentHash) => {
      if (contentHash !== broken) return Promise.resolve();
      return Promise.reject(new PlatformError('COMPONENT_INVALID', 'uses what jco lacks'));
    });
    const handle = await start();
    await eventually(async () =>
      expect(await handle.query(recompileProgressQuery)).toMatchObject({
        left: 1,
        done: 2,
        failed: 1,
        failures: [{ contentHash: broken, code: 'COMPONENT_INVALID', message: 'uses what jco lacks' }],
      }),
    );
    await handle.terminate('the next pass comes after a pause');
  });

  it('is one run, however often it is started', async () => {
    const making = Promise.withResolvers<undefined>();
    registryOf(1, () => making.promise);
    const input = { target, keyId: `sha256:${randomUUID()}` };
    const workflowId = await startRecompile(client, input);
    const { runId } = await client.workflow.getHandle(workflowId).describe();
    expect(await startRecompile(client, input)).toBe(workflowId);
    expect((await client.workflow.getHandle(workflowId).describe()).runId).toBe(runId);
    making.resolve(undefined);
    await client.workflow.getHandle(workflowId).result();
    expect(made()).toHaveLength(1);
  });

  it('makes way for publishes, and names the tenant that each task is for', async () => {
    registryOf(1);
    await (await start()).result();
    const [contentHash = ''] = made() as string[];
    const { raw } = await client.workflow.getHandle(precompileWorkflowId(contentHash, target)).describe();
    expect(raw.workflowExecutionInfo?.priority).toMatchObject({
      priorityKey: 5,
      fairnessKey: expect.stringMatching(/^[0-9a-f-]{36}$/),
    });
    const publish = await beginPublish(client);
    await publish.result();
    const history = await publish.fetchHistory();
    const child = history.events?.find((event) => event.startChildWorkflowExecutionInitiatedEventAttributes);
    const { priority } = child?.startChildWorkflowExecutionInitiatedEventAttributes ?? {};
    expect(priority?.priorityKey ?? 0).toBe(0); // the default, which is 3
    expect(priority?.fairnessKey).toMatch(/^[0-9a-f-]{36}$/);
  });
});
