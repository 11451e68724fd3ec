import { beforeAll, describe, expect, it } from '@jest/globals';
import { precompileComponent } from '../../platform/component/precompile.ts';
import { createEngine } from '../../runner/engine/create-engine.ts';
import type { EngineArtifact, GuestRequest } from '../../runner/engine/engine.ts';
import { fakeHost } from '../support/fake-host.ts';
import { componentOfText } from '../support/tiny-components.ts';

/** Computes for five slices when it is instantiated, and traps in every call, so that each needs an instance of its own. */
const SLOW_TO_BEGIN = `(module
  (memory (export "memory") 1)
  (func $begin (local $left i32)
    (local.set $left (i32.const 1000000))
    (loop $again (br_if $again (local.tee $left (i32.sub (local.get $left) (i32.const 1))))))
  (start $begin)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
  (func (export "handler") (param i32) (result i32) unreachable))`;

describe('a guest that computes when it is instantiated', () => {
  let artifact: EngineArtifact;
  beforeAll(async () => {
    const component = await componentOfText(SLOW_TO_BEGIN);
    const made = await precompileComponent(component, { memoryMb: 64, timeoutMs: 60_000 });
    artifact = { contentHash: 'slow', ...made };
    expect(made.plan).toBeDefined();
  });

  it('ends at the deadline of the call that waits for it', async () => {
    const engine = createEngine();
    await engine.load(artifact);
    const request: GuestRequest = {
      context: { tenantId: 't', extensionId: 'e' },
      http: { method: 'GET', url: '/', headers: [] },
    };
    const call = (timeoutMs: number) =>
      engine.execute('slow', request, fakeHost(), { timeoutMs, memoryMb: 64 });
    // The first has the instance that is there; the second needs one of its own, and has no time left.
    const [first, second] = await Promise.all([call(60_000), call(0)]);
    expect(first).toMatchObject({ ok: false, code: 'GUEST_TRAPPED' });
    expect(second).toMatchObject({ ok: false, code: 'GUEST_TIMEOUT' });
    expect(await call(60_000)).toMatchObject({ ok: false, code: 'GUEST_TRAPPED' });
  });
});
