import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { Client } from '@temporalio/client';
import { PlatformError, type ErrorCode } from '../../core/errors.ts';
import type { Check } from '../../core/progress.ts';
import { publishProgressQuery } from '../../workflows/messages.ts';
import { eventually } from '../support/eventually.ts';
import {
  ARTIFACT,
  beginPublish,
  CONTENT_HASH,
  fakePublishActivities,
  passed,
  REGISTERED,
  VERIFIED,
} from '../support/fake-publish.ts';
import {
  failureCode,
  startWorkflowEnvironment,
  stepStatuses,
  type WorkflowEnvironment,
} from '../support/workflow-environment.ts';

const fakes = fakePublishActivities();
let environment: WorkflowEnvironment;
let client: Client;

beforeAll(async () => {
  environment = await startWorkflowEnvironment(fakes.activities);
  client = environment.client;
});
afterAll(() => environment.stop());
beforeEach(() => fakes.reset());

const rejecting = (code: ErrorCode) => () => Promise.reject(new PlatformError(code, `because of ${code}`));

describe('a publish', () => {
  it('verifies, promotes, precompiles and registers, in this order', async () => {
    const result = await (await beginPublish(client)).result();
    expect(fakes.names()).toEqual([
      'openPublish',
      'verifyBundle',
      'inspectComponent',
      'promoteBundle',
      'precompileBundle',
      'recordArtifact',
      'registerVersion',
      'removeStaging',
    ]);
    expect(result.status).toBe('published');
    expect(stepStatuses(result)).toEqual({
      verify: 'done',
      promote: 'done',
      precompile: 'done',
      register: 'done',
    });
    expect(result.checks.map(({ name }) => name)).toEqual(['archive', 'version', 'component']);
    expect(stepStatuses(fakes.inputOf('promoteBundle') as never)['promote']).toBe('running');
    expect(stepStatuses(fakes.inputOf('registerVersion') as never)['register']).toBe('running');
  });

  it('promotes and registers what was verified', async () => {
    await (await beginPublish(client)).result();
    const { contentHash, pin } = VERIFIED;
    expect(fakes.inputOf('verifyBundle')).toMatchObject({ contentHash });
    expect(fakes.inputOf('inspectComponent')).toMatchObject({ contentHash, pin });
    expect(fakes.inputOf('promoteBundle')).toMatchObject({ bundle: VERIFIED });
    expect(fakes.inputOf('registerVersion')).toMatchObject({
      contentHash: CONTENT_HASH,
      sizeBytes: 1000,
      artifact: ARTIFACT,
    });
  });

  it('shares the artifact with another publish of the same content: the second waits for what the first makes', async () => {
    const making = Promise.withResolvers<undefined>();
    let running = 0;
    let most = 0;
    fakes.script({
      precompileBundle: async () => {
        most = Math.max(most, (running += 1));
        await making.promise;
        running -= 1;
        return { artifact: ARTIFACT, attempts: 1 };
      },
    });
    const both = [await beginPublish(client), await beginPublish(client)];
    await eventually(() => expect(fakes.names().filter((name) => name === 'promoteBundle')).toHaveLength(2));
    making.resolve(undefined);
    for (const handle of both) expect((await handle.result()).status).toBe('published');
    expect(most).toBe(1);
  });

  it('can be found by what the bundle says it is, as soon as that is known', async () => {
    const handle = await beginPublish(client);
    await handle.result();
    const { typedSearchAttributes } = await handle.describe();
    const found = typedSearchAttributes.getAll().map(({ key, value }) => [key.name, value]);
    expect(Object.fromEntries(found)).toMatchObject({
      ExtName: 'alga.hello',
      ExtVersion: '1.0.0',
      ExtRequestedBy: 'key',
      ExtPhase: 'published',
    });
  });

  it('counts the attempts of all activities of a step', async () => {
    let attempt = 0;
    fakes.script({
      inspectComponent: () => {
        attempt += 1;
        if (attempt < 2) throw new PlatformError('OBJECT_STORE_UNAVAILABLE', 'away');
        return { checks: [], target: ARTIFACT.target, attempts: attempt };
      },
    });
    const result = await (await beginPublish(client)).result();
    expect(result.steps[0]?.attempts).toBe(3);
  });
});

const BAD: Check = { name: 'component', result: 'failed', required: true, detail: 'no handler' };
const SKIPPED = expect.objectContaining({ name: 'component', result: 'skipped' }) as unknown;
const BAD_MANIFEST: Check = { name: 'manifest', result: 'failed', required: true, detail: 'no name' };
const COMPONENT = { contentHash: CONTENT_HASH, pin: VERIFIED.pin };
const MANIFEST_FAULT = { code: 'MANIFEST_INVALID', message: 'no name' } as const;

describe('a bundle at fault', () => {
  it('is rejected by the check that failed, and goes no further', async () => {
    const failed: Check = { name: 'manifest', result: 'failed', required: true, detail: 'no name' };
    fakes.script({
      verifyBundle: () => ({
        checks: [passed('archive'), failed],
        fault: { code: 'MANIFEST_INVALID', message: 'no name' },
        attempts: 1,
      }),
    });
    const result = await (await beginPublish(client)).result();
    expect(result.status).toBe('rejected');
    expect(result.checks).toEqual([passed('archive'), failed, SKIPPED]);
    expect(stepStatuses(result)['verify']).toBe('failed');
    expect(fakes.names()).toEqual(['openPublish', 'verifyBundle', 'endPublish', 'removeStaging']);
    expect(fakes.inputOf('endPublish')).toMatchObject({
      status: 'rejected',
      error: { code: 'MANIFEST_INVALID', message: 'no name' },
    });
  });

  it.each([
    ['what else is wrong with the component', () => ({ checks: [BAD], target: 'x', attempts: 1 }), BAD],
    ['no more if the component cannot be looked at soon', rejecting('COMPONENT_TOOL_CRASHED'), SKIPPED],
  ])('tells %s', async (_what, inspectComponent, told) => {
    const verdict = { checks: [BAD_MANIFEST], fault: MANIFEST_FAULT, inspect: COMPONENT, attempts: 1 };
    fakes.script({ verifyBundle: () => verdict, inspectComponent });
    const result = await (await beginPublish(client)).result();
    expect(result.checks).toEqual([BAD_MANIFEST, told]);
    expect(fakes.inputOf('endPublish')).toMatchObject({ status: 'rejected', error: MANIFEST_FAULT });
  });

  it.each([
    ['registerVersion', 'VERSION_EXISTS', 'version'],
    ['registerVersion', 'PUBLISHER_NOT_YOURS', 'publisher'],
    ['precompileBundle', 'COMPONENT_INVALID', 'component'],
    ['inspectComponent', 'WORLD_MISMATCH', 'component'],
  ] as const)('is rejected when %s says %s, overruling the check "%s"', async (name, code, check) => {
    fakes.script({ [name]: rejecting(code) });
    const result = await (await beginPublish(client)).result();
    expect(result.status).toBe('rejected');
    expect(result.checks.filter((one) => one.name === check)).toEqual([
      { name: check, result: 'failed', required: true, detail: `because of ${code}` },
    ]);
    expect(fakes.inputOf('endPublish')).toMatchObject({ error: { code } });
    expect(fakes.names().at(-1)).toBe('removeStaging');
  });
});

describe('a platform at fault', () => {
  it('ends the publish as failed, and the workflow too', async () => {
    fakes.script({ promoteBundle: rejecting('NOT_FOUND') });
    const handle = await beginPublish(client);
    expect(await failureCode(handle.result())).toBe('NOT_FOUND');
    expect(fakes.inputOf('endPublish')).toMatchObject({ status: 'failed', error: { code: 'NOT_FOUND' } });
    expect(fakes.names().at(-1)).toBe('removeStaging');
    expect((await handle.query(publishProgressQuery)).status).toBe('failed');
  });

  it('does not change the end when staging cannot be removed', async () => {
    fakes.script({ removeStaging: rejecting('NOT_FOUND') });
    const result = await (await beginPublish(client)).result();
    expect(result.status).toBe('published');
  });
});

describe('a publish that is cancelled', () => {
  it('ends as failed with its staging removed', async () => {
    const precompiling = Promise.withResolvers<undefined>();
    fakes.script({
      precompileBundle: async () => {
        await precompiling.promise;
        return { artifact: ARTIFACT, attempts: 1 };
      },
    });
    const handle = await beginPublish(client);
    await eventually(() => expect(fakes.names()).toContain('precompileBundle'));
    await handle.cancel();
    await failureCode(handle.result());
    expect(fakes.inputOf('endPublish')).toMatchObject({
      status: 'failed',
      error: { code: 'OPERATION_CANCELLED' },
    });
    expect(fakes.names().at(-1)).toBe('removeStaging');
    expect((await handle.describe()).status.name).toBe('CANCELLED');
    // Others may wait for the artifact: its making goes on.
    precompiling.resolve(undefined);
    await eventually(() => expect(fakes.names()).toContain('recordArtifact'));
  });

  it('is published all the same once registering has begun', async () => {
    const registering = Promise.withResolvers<undefined>();
    fakes.script({
      registerVersion: async () => {
        await registering.promise;
        return REGISTERED;
      },
    });
    const handle = await beginPublish(client);
    await eventually(() => expect(fakes.names()).toContain('registerVersion'));
    await handle.cancel();
    registering.resolve(undefined);
    expect((await handle.result()).status).toBe('published');
    expect(fakes.names()).not.toContain('endPublish');
  });
});
