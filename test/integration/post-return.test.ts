import { describe, expect, it } from '@jest/globals';
import { transpileComponent } from '../../platform/component/transpile-component.ts';
import { createEngine } from '../../runner/engine/create-engine.ts';
import type { GuestOutcome } from '../../runner/engine/engine.ts';
import { fakeHost } from '../support/fake-host.ts';
import { componentOfText } from '../support/tiny-components.ts';

/** Answers 200, 201 and so on, as many calls as its memory has seen; `freeing` is what it does once it has answered. */
const guest = (freeing: string): string => `(module
  (import "alga:extension/logging" "log-info" (func $log (param i32 i32)))
  (memory (export "memory") 2)
  (data (i32.const 0) "\\c7\\00")
  (data (i32.const 64) "freed")
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 65536))
  (func (export "cabi_post_handler") (param i32) ${freeing})
  (func (export "handler") (param i32) (result i32)
    (i32.store16 (i32.const 0) (i32.add (i32.load16_u (i32.const 0)) (i32.const 1)))
    (i32.const 0)))`;

describe('a shared instance that frees its answer', () => {
  const engine = createEngine();
  const logged: unknown[] = [];
  const host = fakeHost({ call: (_interface, _function, values) => ({ ok: void logged.push(values) }) });

  async function load(contentHash: string, freeing: string): Promise<() => Promise<GuestOutcome>> {
    const component = await componentOfText(guest(freeing));
    await engine.load({ contentHash, ...(await transpileComponent(component, { memoryMb: 16 })) });
    const request = {
      context: { tenantId: 't', extensionId: 'e' },
      http: { method: 'GET', url: '/', headers: [] },
    };
    return () =>
      engine.execute(contentHash, request, host, { timeoutMs: 60_000, memoryMb: 16 }, `of ${contentHash}`);
  }

  it('serves the next call', async () => {
    const call = await load('frees', '(i32.store (i32.const 128) (i32.const 1))');
    expect(await call()).toMatchObject({ ok: true, response: { status: 200 } });
    expect(await call()).toMatchObject({ ok: true, response: { status: 201 } });
  });

  it('traps if it calls the host meanwhile, which hears nothing, and is there for no other call', async () => {
    const call = await load('calls out', '(call $log (i32.const 64) (i32.const 5))');
    expect(await call()).toMatchObject({ ok: false, code: 'GUEST_TRAPPED' });
    expect(await call()).toMatchObject({ ok: false, code: 'GUEST_TRAPPED' });
    expect(logged).toEqual([]);
  });
});
