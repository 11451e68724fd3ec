import { parse } from '@bytecodealliance/jco-transpile/wasm-tools';
import { describe, expect, it } from '@jest/globals';
import { markedPages, RewrittenHost, type HostOptions } from '../../test/support/rewritten-host.ts';
import { EXPORT, GO_ON, MAP, STOP } from './reserved.ts';
import { rewriteModules } from './rewrite.ts';

type Call = (...args: (number | bigint)[]) => number;

const rewrite = async (wat: string, memoryMb = 4) => rewriteModules({ m: await parse(wat) }, { memoryMb });

/** The exports of a module of its own, and its host. */
async function start(wat: string, options: HostOptions & { memoryMb?: number } = {}) {
  const host = new RewrittenHost(options);
  const { modules } = await rewrite(wat, options.memoryMb);
  const { exports } = host.instantiate(new WebAssembly.Module(modules['m'] ?? new Uint8Array()));
  return { host, exports: exports as Record<string, Call> & typeof exports };
}

const call = (exports: Record<string, unknown>, name: string, ...args: (number | bigint)[]): number =>
  (exports[name] as Call)(...args);

describe('fuel of a rewritten module', () => {
  const LOOP = `(module (func (export "run") (param i32) (result i32) (local i32)
    (loop (local.set 1 (i32.add (local.get 1) (local.get 0)))
      (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))) (local.get 1)))`;

  it('is one for each turn of a loop, the same every time', async () => {
    const { host, exports } = await start(LOOP);
    expect(call(exports, 'run', 1000)).toBe(500_500);
    const first = host.fuelUsed;
    call(exports, 'run', 1000);
    expect([first, host.fuelUsed]).toEqual([1000, 2000]);
  });

  it('is the same however it is cut into slices', async () => {
    const used = [];
    for (const slice of [1, 7, 1000]) {
      const { host, exports } = await start(LOOP, { slice });
      call(exports, 'run', 500);
      used.push(host.fuelUsed);
    }
    expect(used).toEqual([500, 500, 500]);
  });

  it.each([
    ['an endless loop', '(func (export "run") (loop (br 0)))'],
    ['endless tail calls', '(func $f (export "run") (return_call $f))'],
    [
      'endless tail calls through a table',
      '(table 1 funcref) (elem (i32.const 0) $f) (type $t (func)) (func $f (export "run") (return_call_indirect (type $t) (i32.const 0)))',
    ],
    [
      'calls that double at each of forty levels, without loop or recursion',
      `(func $f0 (drop (i32.div_u (i32.const 1) (i32.const 1))))
       ${Array.from({ length: 40 }, (_, n) => `(func $f${n + 1} (call $f${n}) (call $f${n}))`).join('\n')}
       (func (export "run") (call $f40))`,
    ],
    [
      'copies of a megabyte each',
      '(memory 32) (func (export "run") (loop (memory.copy (i32.const 0) (i32.const 9) (i32.const 1000000)) (br 0)))',
    ],
    [
      'fills of a table',
      '(table 1000 funcref) (func (export "run") (loop (table.fill (i32.const 0) (ref.null func) (i32.const 1000)) (br 0)))',
    ],
  ])('ends %s, with a trap of which the host knows', async (_what, wat) => {
    const { host, exports } = await start(`(module ${wat})`, { fuel: 1_000_000 });
    expect(() => call(exports, 'run')).toThrow('unreachable');
    expect(host.outOfFuel).toBe(true);
  });

  it('is not what a guest has run out of that traps by itself', async () => {
    const { host, exports } = await start('(module (func (export "run") (unreachable)))', { fuel: 1000 });
    expect(() => call(exports, 'run')).toThrow('unreachable');
    expect(host.outOfFuel).toBe(false);
  });

  it('is charged by length for bulk instructions and by page for growth', async () => {
    const { host, exports } = await start(`(module (memory 1 4) (table 100 funcref)
      (func (export "fill") (memory.fill (i32.const 0) (i32.const 1) (i32.const 65536)))
      (func (export "table") (table.fill (i32.const 0) (ref.null func) (i32.const 100)))
      (func (export "grow") (drop (memory.grow (i32.const 2))))
      (func (export "fail") (drop (memory.grow (i32.const 200)))))`);
    const used = ['fill', 'table', 'grow', 'fail'].map((name) => {
      const before = host.fuelUsed;
      call(exports, name);
      return host.fuelUsed - before;
    });
    // And one for the call, which such an instruction makes too dear to be free.
    expect(used).toEqual([1 + 1024, 1 + 100, 1 + 2048, 1]);
  });

  it('is one for all modules of an instance', async () => {
    const host = new RewrittenHost();
    const { modules } = rewriteModules(
      {
        a: await parse(
          '(module (func (export "f") (param i32) (loop (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))))',
        ),
        b: await parse(
          '(module (import "a" "f" (func $f (param i32))) (func (export "g") (call $f (i32.const 10)) (call $f (i32.const 5))))',
        ),
      },
      { memoryMb: 1 },
    );
    const [a, b] = Object.values(modules).map((bytes) => new WebAssembly.Module(bytes));
    if (!a || !b) throw new Error('two modules were rewritten');
    const { exports } = host.instantiate(b, { a: { ...host.instantiate(a).exports } });
    call(exports, 'g');
    // The turns, the entry, and one for two calls of another module's function.
    expect(host.fuelUsed).toBe(15 + 1 + 1);
  });

  it('lets others run where a slice ends, and the host end the guest there', async () => {
    let turns = 0;
    const turn = async (): Promise<number> => {
      await new Promise(setImmediate);
      turns += 1;
      return turns < 10 ? GO_ON : STOP;
    };
    const { host, exports } = await start('(module (func (export "run") (loop (br 0))))', {
      slice: 1000,
      turn,
      suspends: true,
    });
    const run = WebAssembly.promising(exports['run'] as () => unknown);
    await expect(run()).rejects.toThrow('unreachable');
    expect(turns).toBe(10);
    expect(host.fuelUsed).toBeGreaterThan(9000);
    expect(host.outOfFuel).toBe(false);
  });
});

describe('pages of a rewritten module', () => {
  const PAGE = 4096;
  const marked = ({ memories }: RewrittenHost): number[][] => memories.map(({ map }) => markedPages(map));

  it.each([
    ['i32.store', '(i32.store (i32.const 8190) (i32.const -1))', [1]],
    ['i64.store32', '(i64.store32 (i32.const 8191) (i64.const -1))', [1]],
    ['f64.store with an offset', '(f64.store offset=4608 (i32.const 1) (f64.const 1))', [1]],
    [
      'a store that begins within reach of a mark',
      '(i32.store offset=511 (i32.const 4095) (i32.const 1))',
      [0],
    ],
    ['a store that does not', '(i32.store offset=512 (i32.const 4095) (i32.const 1))', [1]],
    ['v128.store', '(v128.store (i32.const 12287) (v128.const i64x2 -1 -1))', [2]],
    ['v128.store16_lane', '(v128.store16_lane 3 (i32.const 4096) (v128.const i64x2 -1 -1))', [1]],
    ['memory.fill', '(memory.fill (i32.const 4095) (i32.const 7) (i32.const 4098))', [0, 1, 2]],
    ['memory.copy', '(memory.copy (i32.const 20480) (i32.const 0) (i32.const 1))', [5]],
    ['memory.init', '(memory.init 0 (i32.const 8191) (i32.const 0) (i32.const 2))', [1, 2]],
    ['memory.fill of nothing', '(memory.fill (i32.const 4095) (i32.const 7) (i32.const 0))', []],
  ])('are marked by %s', async (_what, code, pages) => {
    const { host, exports } = await start(`(module (memory 1) (data "ab") (func (export "run") ${code}))`);
    call(exports, 'run');
    expect(marked(host)).toEqual([pages]);
  });

  it.each([
    ['beyond the memory', '(i64.store (i32.const 65529) (i64.const 1))'],
    ['with an offset beyond 32 bits', '(i32.store offset=0xffffffff (i32.const -1) (i32.const 1))'],
    ['with an offset that wraps to the start', '(i32.store offset=0xfffffff0 (i32.const 32) (i32.const 1))'],
    ['by a fill', '(memory.fill (i32.const 65535) (i32.const 1) (i32.const 2))'],
    ['by a fill that wraps', '(memory.fill (i32.const -1) (i32.const 1) (i32.const 2))'],
  ])('stay as they are when a store traps %s', async (_what, code) => {
    const { host, exports } = await start(`(module (memory 1 1) (func (export "run") ${code}))`);
    expect(() => call(exports, 'run')).toThrow('out of bounds');
    const [{ memory }] = host.memories as [(typeof host.memories)[number]];
    expect(new Uint8Array(memory.buffer).every((byte) => byte === 0)).toBe(true);
  });

  it('are marked in the one map of a memory by every module that imports it', async () => {
    const host = new RewrittenHost();
    const { modules, facts } = rewriteModules(
      {
        owner: await parse('(module (memory (export "memory") 2))'),
        user: await parse(
          '(module (import "o" "memory" (memory 1)) (func (export "run") (i32.store8 (i32.const 8192) (i32.const 1))))',
        ),
      },
      { memoryMb: 4 },
    );
    const [owner, user] = Object.values(modules).map((bytes) => new WebAssembly.Module(bytes));
    if (!owner || !user) throw new Error('two modules were rewritten');
    const { exports } = host.instantiate(user, { o: { ...host.instantiate(owner).exports } });
    call(exports, 'run');
    expect(marked(host)).toEqual([[2]]);
    expect(facts).toMatchObject({
      owner: { memoryImport: undefined, memoryMaximum: 4 * 1024 * 1024 },
      user: { memoryImport: { module: 'o', name: 'memory' }, memoryMaximum: 0 },
    });
  });

  it('are what they were after a rewind, a store across two of them included', async () => {
    const { host, exports } = await start(
      `(module (memory 1) (data (i32.const 0) "start") (func (export "run") (i64.store (i32.const ${PAGE - 3}) (i64.const -1)) (i64.store (i32.const 0) (i64.const -1))))`,
    );
    host.save();
    call(exports, 'run');
    host.rewind();
    const bytes = Buffer.from(host.memories[0]?.memory.buffer ?? new ArrayBuffer(0));
    expect(bytes.subarray(0, 5).toString()).toBe('start');
    expect(bytes.subarray(5).every((byte) => byte === 0)).toBe(true);
  });
});

describe('growth of a rewritten module', () => {
  const GROWER = `(module (memory (export "memory") 1)
    (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
    (func (export "size") (result i32) (memory.size))
    (func (export "set") (param i32 i32) (i32.store (local.get 0) (local.get 1)))
    (func (export "get") (param i32) (result i32) (i32.load (local.get 0))))`;

  it('starts again after a rewind and finds zeros, without new memory', async () => {
    const { host, exports } = await start(GROWER);
    host.save();
    for (const round of [1, 2, 3]) {
      expect([call(exports, 'size'), call(exports, 'grow', 2), call(exports, 'size')]).toEqual([1, 1, 3]);
      expect(call(exports, 'get', 100_000)).toBe(0);
      call(exports, 'set', 100_000, round);
      expect(call(exports, 'grow', 1)).toBe(3);
      expect((exports['memory'] as unknown as WebAssembly.Memory).buffer.byteLength).toBe(4 * 65536);
      host.rewind();
    }
  });

  it('ends at the cap, which the engine itself holds', async () => {
    const { exports } = await start(GROWER, { memoryMb: 1 });
    expect(call(exports, 'grow', 16)).toBe(-1);
    expect(call(exports, 'grow', 15)).toBe(1);
    expect(call(exports, 'grow', 1)).toBe(-1);
    expect(call(exports, 'grow', 0)).toBe(16);
    expect(call(exports, 'grow', -1)).toBe(-1);
    expect(() => (exports['memory'] as unknown as { grow: (by: number) => void }).grow(1)).toThrow(
      RangeError,
    );
  });

  it('says when it was refused', async () => {
    const { exports } = await start(GROWER, { memoryMb: 1 });
    const map = exports[EXPORT.map] as unknown as WebAssembly.Memory;
    const wasRefused = (): number => new DataView(map.buffer).getUint32(MAP.refused, true);
    call(exports, 'grow', 1);
    expect(wasRefused()).toBe(0);
    call(exports, 'grow', 100);
    expect(wasRefused()).toBe(1);
  });

  it('ends at the limit of the call', async () => {
    const { host, exports } = await start(GROWER);
    const map = exports[EXPORT.map] as unknown as WebAssembly.Memory;
    new DataView(map.buffer).setUint32(MAP.limit, 3, true);
    host.save();
    expect([call(exports, 'grow', 3), call(exports, 'grow', 2), call(exports, 'grow', 1)]).toEqual([
      -1, 1, -1,
    ]);
    host.rewind();
    expect([call(exports, 'grow', 3), call(exports, 'grow', 2), call(exports, 'grow', 0)]).toEqual([
      -1, 1, 3,
    ]);
  });
});

describe('globals of a rewritten module', () => {
  it('are restored to the bit: vectors, signalling NaNs, references and those that are imported elsewhere', async () => {
    const { host, exports } = await start(`(module
      (global $i (export "i") (mut i32) (i32.const 1)) (global $l (mut i64) (i64.const 2))
      (global $f (mut f32) (f32.const nan:0x200001)) (global $d (mut f64) (f64.const nan:0x4000000000001))
      (global $v (mut v128) (v128.const i64x2 3 4)) (global $r (mut funcref) (ref.func $state))
      (func (export "write") (global.set $i (i32.const 9)) (global.set $l (i64.const 9)) (global.set $f (f32.const 9))
        (global.set $d (f64.const 9)) (global.set $v (v128.const i64x2 9 9)) (global.set $r (ref.null func)))
      (func $state (export "state") (result i32 i64 i32 i64 i64 i64 i32) (global.get $i) (global.get $l)
        (i32.reinterpret_f32 (global.get $f)) (i64.reinterpret_f64 (global.get $d))
        (i64x2.extract_lane 0 (global.get $v)) (i64x2.extract_lane 1 (global.get $v)) (ref.is_null (global.get $r))))`);
    const state = (): unknown => (exports['state'] as unknown as () => unknown)();
    host.save();
    const before = state();
    expect(before).toEqual([1, 2n, 0x7fa00001, 0x7ff4000000000001n, 3n, 4n, 0]);
    call(exports, 'write');
    expect(state()).toEqual([9, 9n, 0x41100000, 0x4022000000000000n, 9n, 9n, 1]);
    host.rewind();
    expect(state()).toEqual(before);
  });
});
