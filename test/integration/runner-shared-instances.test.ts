import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { ExecuteRequest } from '../../core/execute.ts';
import type { PrecompiledArtifact } from '../../platform/component/artifact.ts';
import { precompiledComponent } from '../support/components.ts';
import {
  startRunner,
  type Execution,
  type ExecuteOptions,
  type TestRunner,
} from '../support/start-runner.ts';

const A = '00000000-0000-4000-8000-00000000000a';
const B = '00000000-0000-4000-8000-00000000000b';
const VERSION = '00000000-0000-4000-8000-000000000005';
/** Of a tenant's executions at once (8 here), a quarter may wait for one instance. */
const WAITING = 2;

let runner: TestRunner;
let hostile: PrecompiledArtifact;
let installs = 0;

beforeAll(async () => {
  hostile = await precompiledComponent('hostile');
  runner = await startRunner();
  await runner.publish(hostile);
}, 180_000);

afterAll(async () => {
  await runner.close();
});

/** An install whose calls share an instance, if they are granted it. */
function setup() {
  const installId = `00000000-0000-4000-8000-${String((installs += 1)).padStart(12, '0')}`;

  function call(
    url: string,
    context: Partial<ExecuteRequest['context']> = {},
    options: Partial<ExecuteOptions> = {},
  ): Promise<Execution> {
    return runner.execute({
      contentHash: hostile.contentHash,
      url,
      grants: { 'instance.shared': {} },
      form: (request) => ({
        ...request,
        context: { ...request.context, version_id: VERSION, install_id: installId, ...context },
      }),
      ...options,
    });
  }
  const count = async (...given: Parameters<typeof call> extends [string, ...infer Rest] ? Rest : never) =>
    (JSON.parse((await call('/state', ...given)).body) as { calls: number }).calls;

  return { call, count };
}

describe('calls of an install that share an instance', () => {
  it('find what the one before left, in this install of this tenant alone', async () => {
    const [one, other] = [setup(), setup()];
    expect([await one.count(), await one.count()]).toEqual([1, 2]);
    expect([await other.count(), await other.count()]).toEqual([1, 2]);
    expect([await one.count({ tenant_id: B }), await one.count({ tenant_id: B })]).toEqual([1, 2]);
    expect([await one.count(), await other.count()]).toEqual([3, 3]);
  });

  it('find fresh state where that was not granted, and leave the instance alone', async () => {
    const { count } = setup();
    expect([await count(), await count()]).toEqual([1, 2]);
    expect([await count({}, { grants: {} }), await count({}, { grants: {} })]).toEqual([1, 1]);
    expect(await count()).toBe(3);
  });

  it('find fresh state after a change of config, grants or version', async () => {
    const { count } = setup();
    expect([await count(), await count()]).toEqual([1, 2]);
    expect(await count({ config_version: 2 })).toBe(1);
    expect(await count({ version_id: A })).toBe(1);
    expect(await count({}, { grants: { 'instance.shared': {}, 'config.read': {} } })).toBe(1);
  });

  it('find fresh state after one that failed', async () => {
    const { call, count } = setup();
    expect([await count(), await count()]).toEqual([1, 2]);
    expect((await call('/throw')).head.error?.code).toBe('GUEST_ERROR');
    expect([await count(), await count()]).toEqual([1, 2]);
  });

  it('are not those of the platform: a probe or a warm-up finds fresh state and leaves none', async () => {
    const { count } = setup();
    expect([await count(), await count()]).toEqual([1, 2]);
    expect([await count({ trigger: 'probe' }), await count({ trigger: 'probe' })]).toEqual([1, 1]);
    expect((await runner.warm(A, hostile.contentHash)).status).toBe(200);
    expect(await count()).toBe(3);
  });

  it('take turns, and each finds what the one before left', async () => {
    const { count } = setup();
    const counted = await Promise.all(Array.from({ length: 1 + WAITING }, () => count()));
    expect(counted.sort()).toEqual([1, 2, 3]);
  });

  it('are refused where too many wait, and hold up no other install of the tenant', async () => {
    const [busy, other] = [setup(), setup()];
    const loop = busy.call('/loop', {}, { limits: { timeout_ms: 4_000 } });
    const state = { looping: true };
    const looped = loop.finally(() => (state.looping = false));
    expect(await other.count()).toBe(1); // by then the loop is under way
    const waiting = Array.from({ length: WAITING }, () => busy.count());
    const refused = await busy.call('/state');
    expect([refused.httpStatus, refused.head.code]).toEqual([429, 'CONCURRENCY_LIMITED']);
    expect([await other.count(), state.looping]).toEqual([2, true]);
    expect((await looped).head.error?.code).toBe('GUEST_TIMEOUT');
    expect((await Promise.all(waiting)).sort()).toEqual([1, 2]);
  });

  it('wait no longer than any execution may wait to begin, and that is no time of theirs', async () => {
    const { call, count } = setup();
    const loop = call('/loop', {}, { limits: { timeout_ms: 7_000 } });
    const late = await call('/state');
    expect([late.httpStatus, late.head.code]).toEqual([503, 'RUNNER_BUSY']);
    const patient = count({}, { limits: { timeout_ms: 1_000 } });
    expect((await loop).head.error?.code).toBe('GUEST_TIMEOUT');
    expect(await patient).toBe(1);
  });
});
