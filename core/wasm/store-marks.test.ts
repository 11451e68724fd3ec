import { parse, print } from '@bytecodealliance/jco-transpile/wasm-tools';
import { describe, expect, it } from '@jest/globals';
import { rewriteModules } from './rewrite.ts';

describe('marks of a rewritten module', () => {
  const FIRST = '(i32.store (local.get 0) (i32.const 1))';
  const SECOND = '(i32.store offset=8 (local.get 0) (i32.const 2))';
  const OTHER = '(i32.store (local.get 1) (i32.const 3))';
  const MOVE = '(local.set 0 (i32.const 8192))';
  /** How often the function marks. */
  const marksOf = async (body: string): Promise<number> => {
    const module = await parse(
      `(module (memory 1) (func (export "run") (param i32 i32) (local i32) ${body}))`,
    );
    const { modules } = rewriteModules({ m: module }, { memoryMb: 4 });
    const text = await print(modules['m'] ?? new Uint8Array());
    const run = text.slice(text.indexOf('(func (;2;)'), text.indexOf('(func (;3;)'));
    return run.split('i32.store8 1 offset=64').length - 1;
  };

  it.each([
    ['the same address again', FIRST + SECOND, 1],
    ['two addresses', FIRST + OTHER + SECOND, 2],
    ['an address that is beyond reach', `${FIRST}(i32.store offset=512 (local.get 0) (i32.const 2))`, 2],
    [
      'a copy of the address',
      `${FIRST}(local.set 2 (local.get 0))(i32.store (local.get 2) (i32.const 2))`,
      1,
    ],
    [
      'an address that is kept and used',
      `(i32.store (local.tee 2 (i32.add (local.get 0) (local.get 1))) (i32.const 1))(i32.store offset=4 (local.get 2) (i32.const 1))`,
      1,
    ],
    [
      'a constant address',
      '(i32.store (i32.const 16) (i32.const 1))(i32.store (i32.const 16) (i32.const 2))',
      1,
    ],
    ['a local that was set between', FIRST + MOVE + SECOND, 2],
    ['a store after one that may not run', `(if (local.get 1) (then ${FIRST}))${SECOND}`, 2],
    ['a store that may be left out, after one that is not', `${FIRST}(if (local.get 1) (then ${SECOND}))`, 1],
    ['the two branches of an if', `(if (local.get 1) (then ${FIRST}) (else ${SECOND}))`, 2],
    ['a store after a block that may be left early', `(block (br_if 0 (local.get 1)) ${FIRST})${SECOND}`, 2],
    ['a store in a block', `${FIRST}(block (br_if 0 (local.get 1)) ${SECOND})`, 1],
    ['a store after a loop', `(loop ${FIRST}(br_if 0 (local.get 1)))${SECOND}`, 1],
    ['a loop that moves the address', `${FIRST}(loop ${SECOND}${MOVE}(br_if 0 (local.get 1)))`, 2],
    [
      'a loop that moves the address in a block',
      `${FIRST}(loop ${SECOND}(block (loop ${MOVE}))(br_if 0 (local.get 1)))`,
      2,
    ],
    ['a loop that does not', `${FIRST}(loop ${SECOND}(br_if 0 (local.get 1)))`, 1],
    ['a local that a block may have set', `${FIRST}(block (br_if 0 (local.get 1)) ${MOVE})${SECOND}`, 2],
    ['a store after vectors', `${FIRST}(drop (i8x16.neg (v128.const i64x2 1 1)))${SECOND}`, 1],
  ])('are made once where one always comes before the other: %s', async (_what, body, marks) => {
    expect(await marksOf(body)).toBe(marks);
  });
});
