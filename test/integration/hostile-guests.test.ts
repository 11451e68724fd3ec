import { componentEmbed, componentNew, parse } from '@bytecodealliance/jco-transpile/wasm-tools';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { rewriteModules } from '../../core/wasm/rewrite.ts';
import { readWit } from '../../platform/component/check-world-types.ts';
import { transpileComponent } from '../../platform/component/transpile-component.ts';
import { createEngine } from '../../runner/engine/create-engine.ts';
import { CoreInstances } from '../../runner/engine/core-instances.ts';
import type { GuestOutcome, GuestRequest, Host } from '../../runner/engine/engine.ts';
import { FuelMeter } from '../../runner/engine/fuel-meter.ts';
import { fakeHost } from '../support/fake-host.ts';

// Core modules written by hand: what no compiler makes, an author who means harm does.

const WASI = `
package wasi:random@0.2.0 {
  interface random { get-random-bytes: func(len: u64) -> list<u8>; }
}
package wasi:io@0.2.0 {
  interface poll { resource pollable { block: func(); } }
}
package wasi:clocks@0.2.0 {
  interface monotonic-clock {
    use wasi:io/poll@0.2.0.{pollable};
    now: func() -> u64;
    subscribe-duration: func(when: u64) -> pollable;
  }
}
package wasi:http@0.2.0 {
  interface types {
    resource fields { constructor(); append: func(name: string, value: list<u8>) -> result; }
  }
}
`;

/** A component whose only module has a memory, and a handler of the given instructions after the imports of WASI. */
async function componentOf(
  handler: string,
  { memory = '1024', functions = '' }: { memory?: string; functions?: string } = {},
): Promise<Uint8Array> {
  const wit = await readWit();
  const world = `
    import wasi:random/random@0.2.0;
    import wasi:io/poll@0.2.0;
    import wasi:clocks/monotonic-clock@0.2.0;
    import wasi:http/types@0.2.0;
    export handler`;
  const witSource = wit.replace(/ +import [a-z0-9-]+;\n/g, '').replace(/ +export handler/, world) + WASI;
  const binary = await parse(`(module
    (import "wasi:random/random@0.2.0" "get-random-bytes" (func $random (param i64 i32)))
    (import "wasi:clocks/monotonic-clock@0.2.0" "subscribe-duration" (func $after (param i64) (result i32)))
    (import "wasi:clocks/monotonic-clock@0.2.0" "now" (func $now (result i64)))
    (import "wasi:io/poll@0.2.0" "[method]pollable.block" (func $block (param i32)))
    (import "wasi:http/types@0.2.0" "[constructor]fields" (func $fields (result i32)))
    (import "wasi:http/types@0.2.0" "[method]fields.append"
      (func $append (param i32 i32 i32 i32 i32) (result i32)))
    (memory (export "memory") ${memory})
    (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 65536))
    ${functions}
    (func (export "handler") (param i32) (result i32) (local $n i32) ${handler} (i32.const 0)))`);
  return componentNew(await componentEmbed({ binary, witSource, world: 'runner' }), []);
}

const engine = createEngine();
let components = 0;

async function load(component: Promise<Uint8Array>): Promise<string> {
  components += 1;
  const contentHash = `sha256:${components}`;
  await engine.load({ contentHash, ...(await transpileComponent(await component, { memoryMb: 128 })) });
  return contentHash;
}

async function run(
  contentHash: string,
  timeoutMs = 10_000,
  parts: Partial<Host> = {},
): Promise<GuestOutcome> {
  const request: GuestRequest = {
    context: { tenantId: 't', extensionId: 'e' },
    http: { method: 'GET', url: '/', headers: [] },
  };
  return engine.execute(contentHash, request, fakeHost(parts), { timeoutMs, memoryMb: 128 });
}

const RANDOM = '(call $random (i64.const 1048576) (i32.const 8))';

/** Of this process, where the guests run: however much else the machine does. */
function cpuMsSince(before: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1_000;
}

describe('a guest that lets the host work for it', () => {
  let loop = '';
  let straight = '';
  beforeAll(async () => {
    loop = await load(componentOf(`(loop ${RANDOM} (br 0))`));
    straight = await load(componentOf(RANDOM.repeat(20_000)));
  });

  it('takes turns with others', async () => {
    let turns = 0;
    const timer = setInterval(() => (turns += 1), 1);
    await run(loop, 500);
    clearInterval(timer);
    expect(turns).toBeGreaterThan(0); // none, if the loop held the thread
  });

  it('ends at its deadline, also in code without a loop or a call of its own', async () => {
    const before = process.cpuUsage();
    expect(await run(straight, 300)).toMatchObject({ ok: false, code: 'GUEST_TIMEOUT' });
    expect(cpuMsSince(before)).toBeLessThan(2_000);
  });

  it('ends soon where nothing lies between it and the host, so that it could give others no turn', async () => {
    // What needs no memory is called without a function of the toolchain in between.
    const outcome = await run(await load(componentOf('(drop (call $now))'.repeat(50_000))));
    expect(outcome).toMatchObject({ ok: false, code: 'GUEST_TRAPPED' });
    expect(outcome.fuel).toBeLessThan(1_100_000);
  });
});

describe('a guest that has the host hold memory for it', () => {
  it('answers with no more than its memory holds, however often it names the same bytes', async () => {
    // 1,000 headers of the same 32 MiB each.
    const contentHash = await load(
      componentOf(`
        (i32.store16 (i32.const 0) (i32.const 200))
        (i32.store (i32.const 4) (i32.const 1024)) (i32.store (i32.const 8) (i32.const 1000))
        (loop
          (i32.store offset=1032 (i32.mul (local.get $n) (i32.const 16)) (i32.const 1048576))
          (i32.store offset=1036 (i32.mul (local.get $n) (i32.const 16)) (i32.const 33554432))
          (local.set $n (i32.add (local.get $n) (i32.const 1)))
          (br_if 0 (i32.lt_u (local.get $n) (i32.const 1000))))`),
    );
    expect(await run(contentHash)).toMatchObject({ ok: false, code: 'GUEST_TRAPPED' });
  });

  it('answers with no more headers than anybody reads', async () => {
    const contentHash = await load(
      componentOf(`
        (i32.store16 (i32.const 0) (i32.const 200))
        (i32.store (i32.const 4) (i32.const 1048576)) (i32.store (i32.const 8) (i32.const 1000000))`),
    );
    expect(await run(contentHash)).toMatchObject({ ok: false, code: 'GUEST_TRAPPED' });
  });

  it('gathers no headers of a request beyond any that is sent', async () => {
    const contentHash = await load(
      componentOf(
        `(local.set $n (call $fields))
         (loop
           (drop (call $append (local.get $n) (i32.const 64) (i32.const 1) (i32.const 0) (i32.const 4096)))
           (br 0))`,
      ),
    );
    expect(await run(contentHash, 30_000)).toMatchObject({ ok: false, code: 'GUEST_TRAPPED' });
  });

  it('opens no more requests than may hold a part of the sandbox', async () => {
    const contentHash = await load(componentOf('(loop (drop (call $fields)) (br 0))'));
    const outcome = await run(contentHash);
    expect(outcome).toMatchObject({ ok: false, code: 'GUEST_TRAPPED' });
    // 1,024 of 16 KiB each.
    expect(outcome.fuel).toBeLessThan(1_100 * 101);
  });

  it('is held by no timer beyond its deadline', async () => {
    const contentHash = await load(componentOf('(call $block (call $after (i64.const 1000000000000000)))'));
    const slept: number[] = [];
    const sleep = async (milliseconds: number): Promise<void> => {
      slept.push(milliseconds);
      return new Promise(() => undefined);
    };
    expect(await run(contentHash, 2_000, { sleep })).toMatchObject({ ok: false, code: 'GUEST_TIMEOUT' });
    expect(slept).toHaveLength(1);
    expect(slept[0]).toBeLessThanOrEqual(2_000);
  });
});

describe('a guest that reads past the end of its memory', () => {
  it('finds the same whether or not an earlier call had grown so far', async () => {
    // The host's byte says what to do: to grow by 4 MiB, or to read 1 MiB past the end.
    const contentHash = await load(
      componentOf(`
        (call $random (i64.const 1) (i32.const 256))
        (i32.store16 (i32.const 0) (i32.const 200))
        (if (i32.load8_u (i32.load (i32.const 256)))
          (then (drop (memory.grow (i32.const 64))))
          (else (i32.store16 (i32.const 0) (i32.add (i32.const 201) (i32.load (i32.const 68157440))))))`),
    );
    const grow = (by: number) => run(contentHash, 10_000, { fillRandom: (bytes) => void bytes.fill(by) });
    const first = await grow(0);
    expect(await grow(1)).toMatchObject({ ok: true, response: { status: 200 } });
    expect(await grow(0)).toEqual(first);
  });
});

describe('a component', () => {
  it('whose start computes for long cannot be loaded, since nobody else runs meanwhile', async () => {
    const functions = '(func $begin (loop (br 0))) (start $begin)';
    const before = process.cpuUsage();
    await expect(load(componentOf('', { functions }))).rejects.toMatchObject({ code: 'GUEST_TRAPPED' });
    expect(cpuMsSince(before)).toBeLessThan(3_000);
  });
});

it('links a memory that is imported under the name that maps have', async () => {
  const { modules } = rewriteModules(
    {
      owner: await parse('(module (memory (export "map") 1))'),
      user: await parse(
        '(module (import "env" "map" (memory 1)) (func (i32.store8 (i32.const 1) (i32.const 2))))',
      ),
    },
    { memoryMb: 1 },
  );
  const cores = new CoreInstances(new FuelMeter());
  const compiled = (name: string) => new WebAssembly.Module(modules[name] ?? new Uint8Array());
  const { exports } = cores.instantiate(compiled('owner'));
  expect(() => cores.instantiate(compiled('user'), { env: exports })).not.toThrow();
});
