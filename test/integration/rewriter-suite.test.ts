import { parse } from '@bytecodealliance/jco-transpile/wasm-tools';
import { describe, expect, it } from '@jest/globals';
import { runScript } from '../conformance/wasm-script.ts';
import { findTestSuite, findWasmTools } from '../support/wasm-tools.ts';

// In CI a missing suite is a failure; on a desk without cargo it is said aloud and passed over.
const wasmTools = await findWasmTools(process.env);
if (wasmTools === undefined && process.env['CI'] === undefined) {
  console.warn(
    'SKIPPED: the rewriter does not meet the specification suite, for there is neither wasm-tools nor cargo',
  );
}
const describeSuite = wasmTools === undefined && process.env['CI'] === undefined ? describe.skip : describe;

/** What the scripts of the suite import. */
const SPECTEST = `(module
  (global (export "global_i32") i32 (i32.const 666)) (global (export "global_i64") i64 (i64.const 666))
  (global (export "global_f32") f32 (f32.const 666.6)) (global (export "global_f64") f64 (f64.const 666.6))
  (table (export "table") 10 20 funcref) (memory (export "memory") 1 2)
  (func (export "print")) (func (export "print_i32") (param i32)) (func (export "print_i64") (param i64))
  (func (export "print_f32") (param f32)) (func (export "print_f64") (param f64))
  (func (export "print_i32_f32") (param i32 f32)) (func (export "print_f64_f64") (param f64 f64)))`;

/** Modules by proposal, and by opcode where it is not a type, an import or a section that is refused first. */
const REFUSED = {
  'exception handling': 26,
  'exception handling: opcode 0x1f': 1,
  'garbage collection': 129,
  'multi-memory': 83,
  'relaxed SIMD: opcode 0xfd 0x100': 1,
  'relaxed SIMD: opcode 0xfd 0x101': 1,
  'relaxed SIMD: opcode 0xfd 0x105': 2,
  'relaxed SIMD: opcode 0xfd 0x109': 1,
  'relaxed SIMD: opcode 0xfd 0x10d': 1,
  'relaxed SIMD: opcode 0xfd 0x111': 1,
  'relaxed SIMD: opcode 0xfd 0x112': 1,
  'the component holds a core module that the engine refuses: it is malformed or uses a WebAssembly feature the engine lacks': 82,
  'the component uses a shared or 64-bit memory, or pages of its own size, which this platform does not run': 65,
  'threads: opcode 0xfe 0x00': 1,
  'typed function references': 38,
  'typed function references or garbage collection': 118,
  'typed function references: opcode 0x14': 8,
  'typed function references: opcode 0x15': 6,
};

describeSuite('every module of the WebAssembly core specification suite, rewritten', () => {
  it('has the same results and traps, marks what it writes and can be rewound, or is refused by name', async () => {
    if (wasmTools === undefined) throw new Error('install cargo or set WASM_TOOLS: the suite must run in CI');
    const spectest = await parse(SPECTEST);
    const totals = { scripts: 0, modules: 0, same: 0, replayed: 0 };
    const differences: string[] = [];
    const refused = new Map<string, number>();
    for (const file of await findTestSuite(wasmTools, process.env)) {
      const report = runScript(file, spectest);
      totals.scripts += 1;
      totals.modules += report.modules;
      totals.same += report.same;
      totals.replayed += report.replayed;
      differences.push(...report.differences);
      for (const [what, count] of report.refused) refused.set(what, (refused.get(what) ?? 0) + count);
    }
    expect(differences).toEqual([]);
    expect(Object.fromEntries(refused)).toEqual(REFUSED);
    expect(totals).toMatchObject({ scripts: 408, modules: 4987 });
    expect(totals.same).toBeGreaterThan(83_000);
    expect(totals.replayed).toBeGreaterThan(125_000);
  }, 600_000);
});
