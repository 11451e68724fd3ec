import { parse } from '@bytecodealliance/jco-transpile/wasm-tools';
import { describe, expect, it } from '@jest/globals';
import { RewrittenHost } from '../../test/support/rewritten-host.ts';
import { EXPORT } from './reserved.ts';
import { rewriteModules, type RewrittenModules } from './rewrite.ts';

const rewrite = async (wat: string, memoryMb = 4): Promise<RewrittenModules> =>
  rewriteModules({ m: await parse(wat) }, { memoryMb });

describe('what cannot be rewound', () => {
  const TABLE = '(table $t 2 funcref) (elem $e func $f) (memory 1) (data $d "a") (func $f)';
  it.each([
    ['table.set', '(table.set (i32.const 0) (ref.null func))'],
    ['table.grow', '(drop (table.grow (ref.null func) (i32.const 1)))'],
    ['table.fill', '(table.fill (i32.const 0) (ref.null func) (i32.const 1))'],
    ['table.copy', '(table.copy (i32.const 0) (i32.const 0) (i32.const 1))'],
    ['table.init', '(table.init $e (i32.const 0) (i32.const 0) (i32.const 1))'],
    ['elem.drop', '(elem.drop $e)'],
    ['data.drop', '(data.drop $d)'],
  ])('is named: %s', async (name, code) => {
    const { rewindable } = await rewrite(`(module ${TABLE} (func (export "run") ${code}))`);
    expect(rewindable).toEqual({ yes: false, reason: `${name} in function 1 of m` });
  });

  it('is nothing in a module of memory and globals', async () => {
    expect((await rewrite(`(module ${TABLE} (global (mut i32) (i32.const 1)))`)).rewindable).toEqual({
      yes: true,
    });
  });
});

describe('what is refused', () => {
  const refusal = async (wat: string, memoryMb = 4): Promise<{ code: string; message: string }> =>
    rewrite(wat, memoryMb).then(
      () => ({ code: 'none', message: '' }),
      (error: unknown) => {
        const { code, message } = error as { code: string; message: string };
        return { code, message };
      },
    );

  it.each([
    [
      'threads',
      'opcode 0xfe 0x00 (threads) in function 1 of m',
      '(memory 1) (func) (func (drop (memory.atomic.notify (i32.const 0) (i32.const 0))))',
    ],
    [
      'exceptions',
      'opcode 0x1f (exception handling) in function 0 of m',
      '(func (block $b (try_table (catch_all $b))))',
    ],
    [
      'relaxed SIMD',
      'opcode 0xfd 0x100 (relaxed SIMD) in function 0 of m',
      '(func (result v128) (i8x16.relaxed_swizzle (v128.const i64x2 0 0) (v128.const i64x2 0 0)))',
    ],
    [
      'a call of a typed reference',
      'opcode 0x14 (typed function references) in function 0 of m',
      '(type $t (func)) (func (unreachable) (call_ref $t))',
    ],
    [
      'i31',
      'opcode 0xfb 0x1c (garbage collection) in function 0 of m',
      '(func (drop (ref.i31 (i32.const 1))))',
    ],
    ['types of garbage collection', 'garbage collection in m', '(type (struct))'],
    ['a tag', 'exception handling in m', '(tag)'],
    [
      'a typed reference',
      'typed function references or garbage collection in m',
      '(type $t (func)) (func (param (ref null $t)))',
    ],
    ['two memories', 'multi-memory in m', '(memory 1) (memory 1)'],
    ['a 64-bit table', '64-bit tables in m', '(table i64 1 funcref)'],
    ['shared memory', 'shared or 64-bit memory', '(memory 1 1 shared)'],
  ])('is named: %s', async (_what, message, wat) => {
    expect(await refusal(`(module ${wat})`)).toEqual({
      code: 'COMPONENT_INVALID',
      message: expect.stringContaining(message),
    });
  });

  it('is a module with a reserved name', async () => {
    const message = expect.stringContaining('reserved');
    expect(await refusal(`(module (func (export "${EXPORT.save}")))`)).toMatchObject({ message });
    expect(await refusal('(module (import "alga:rewritten" "fuel" (global (mut i32))))')).toMatchObject({
      message,
    });
  });

  it('is more tables than an instance should carry', async () => {
    expect(await refusal(`(module ${'(table 1 funcref)'.repeat(33)})`)).toMatchObject({
      message: expect.stringContaining('33 tables'),
    });
  });

  it('is what tables take beyond the memory there may be', async () => {
    const large = '(table 7000000 funcref)'.repeat(4);
    expect(await refusal(`(module ${large})`, 16)).toEqual({
      code: 'COMPONENT_INVALID',
      message: expect.stringContaining('raise limits.memoryMb'),
    });
  });

  it('is a module that only what is added makes valid', async () => {
    const module = await parse(
      '(module (memory 1) (global (mut i32) (i32.const 0)) (func (global.set 0 (i32.const 7))))',
    );
    const names = module.slice();
    const at = names.findLastIndex((byte, index) => byte === 0x24 && names[index + 1] === 0);
    names[at + 1] = 2; // the copy of the global
    expect(() => rewriteModules({ m: names }, { memoryMb: 4 })).toThrow('the engine refuses');
  });
});

describe('tables of a rewritten module', () => {
  it('grow by a little, which is counted as memory', async () => {
    const wat =
      '(module (table 10 externref) (memory 1) (func (export "grow") (param i32) (result i32) (table.grow (ref.null extern) (local.get 0))))';
    const { modules, facts } = await rewrite(wat);
    const { exports } = new RewrittenHost().instantiate(
      new WebAssembly.Module(modules['m'] ?? new Uint8Array()),
    );
    const grow = exports['grow'] as (by: number) => number;
    expect([grow(1025), grow(1024), grow(1)]).toEqual([-1, 10, -1]);
    expect(facts['m']?.memoryMaximum).toBe(4 * 1024 * 1024 - 65536);
  });
});

it('refuses a component with more memories than a process has addresses for', () => {
  const empty = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 5, 3, 1, 0, 0);
  const modules = (count: number) =>
    Object.fromEntries(Array.from({ length: count }, (_none, index) => [`core${index}.wasm`, empty]));
  expect(() => rewriteModules(modules(32), { memoryMb: 1 })).not.toThrow();
  expect(() => rewriteModules(modules(33), { memoryMb: 1 })).toThrow(
    expect.objectContaining({ code: 'COMPONENT_INVALID' }),
  );
});
