import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { PrecompiledArtifact } from '../../platform/component/artifact.ts';
import { precompiledComponent } from '../support/components.ts';
import { startRunner, type Execution, type TestRunner } from '../support/start-runner.ts';

const TENANT = '00000000-0000-4000-8000-00000000000a';
const OTHER_INSTALL = '00000000-0000-4000-8000-00000000001b';

/** A call that has to wait for the end of the others' work is served then, and perhaps one more. */
const ONCE_IT_IS_OVER = 2;

let runner: TestRunner;
let hostile: PrecompiledArtifact;
let hello: PrecompiledArtifact;

beforeAll(async () => {
  hostile = await precompiledComponent('hostile');
  hello = await precompiledComponent('hello', { engine: 'quickjs' });
  runner = await startRunner();
  await runner.publish(hostile);
  await runner.publish(hello);
}, 180_000);

afterAll(async () => {
  await runner.close();
});

/** What gives nobody a turn: code of the artifact's own. */
async function publishGlue(source: string): Promise<string> {
  const glue = Buffer.from(source);
  const contentHash = `sha256:${createHash('sha256').update(glue).digest('hex')}`;
  await runner.publish({ contentHash, glue, coreModules: {}, imports: [] });
  return contentHash;
}

/** An extension of the same tenant that means no harm. */
const callOther = (): Promise<Execution> =>
  runner.execute({
    contentHash: hello.contentHash,
    url: '/echo',
    method: 'POST',
    body: Buffer.from('hi'),
    form: (request) => ({ ...request, context: { ...request.context, install_id: OTHER_INSTALL } }),
  });

/** Calls the other extension until the work is done; answers how often. */
async function serveBeside(work: Promise<unknown>): Promise<number> {
  const state = { isDone: false };
  const done = work.finally(() => (state.isDone = true));
  let served = 0;
  while (!state.isDone) {
    const { httpStatus, head, body } = await callOther();
    expect([httpStatus, head.status, body]).toEqual([200, 200, 'hi']);
    served += 1;
  }
  await done;
  return served;
}

describe('an extension of a tenant', () => {
  it('is served while all the places of another one are taken by endless loops', async () => {
    const loop = () =>
      runner.execute({ contentHash: hostile.contentHash, url: '/loop', limits: { timeout_ms: 4_000 } });
    const loops = Array.from({ length: 6 }, loop);
    expect(await serveBeside(Promise.all(loops))).toBeGreaterThan(ONCE_IT_IS_OVER);
    for (const { head } of await Promise.all(loops)) expect(head.error?.code).toBe('GUEST_TIMEOUT');
  });

  it('is served while a version is warmed that never comes to an end', async () => {
    const contentHash = await publishGlue('for (;;);');
    expect((await callOther()).head.status).toBe(200);
    const warming = runner.warm(TENANT, contentHash, { timeout_ms: 100, memory_mb: 64 });
    expect(await serveBeside(warming)).toBeGreaterThan(ONCE_IT_IS_OVER);
    expect(await warming).toMatchObject({ status: 504, body: { code: 'GUEST_TIMEOUT' } });
  });

  it('is served while a guest that gives nobody a turn is called', async () => {
    const contentHash = await publishGlue(
      'export const instantiate = () => ({ handler: async () => { for (;;); } });',
    );
    const call = runner.execute({ contentHash, limits: { timeout_ms: 4_000 } });
    expect(await serveBeside(call)).toBeGreaterThan(ONCE_IT_IS_OVER);
    expect((await call).head.error?.code).toBe('GUEST_TIMEOUT');
  });
});

describe('a tenant whose version is called', () => {
  it('has another one warmed, and probed, on a runner that idle processes of others fill', async () => {
    const full = await startRunner('auto', { SANDBOX_MAX: '3', SANDBOX_TENANT_MAX: '2' });
    try {
      await full.publish(hello);
      const [next = ''] = await full.publishCopies(hello, 1);
      const tenants = ['0a', '0b', '0c'].map((end) => TENANT.replace(/0a$/, end));
      for (const tenantId of tenants)
        await full.execute({ tenantId, contentHash: hello.contentHash, url: '/' });
      expect(await full.warm(TENANT, next)).toMatchObject({ status: 200 });
      const probe = (contentHash: string, trigger: 'probe' | 'http'): Promise<Execution> =>
        full.execute({
          ...{ contentHash, url: '/echo', method: 'POST', body: Buffer.from('hi') },
          form: (request) => ({ ...request, context: { ...request.context, trigger } }),
        });
      expect(await probe(next, 'probe')).toMatchObject({ head: { status: 200 }, body: 'hi' });
      expect(await probe(hello.contentHash, 'http')).toMatchObject({ head: { status: 200 }, body: 'hi' });
      const metrics = await full.metrics();
      expect(metrics['alga_runner_sandbox_ends_total{reason="reclaimed"}']).toBe(1);
    } finally {
      await full.close();
    }
  });
});
