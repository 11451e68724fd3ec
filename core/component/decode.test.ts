import { parse } from '@bytecodealliance/jco-transpile/wasm-tools';
import { describe, expect, it } from '@jest/globals';
import { decodeComponent } from './decode.ts';

// Components of toolchains are decoded in test/integration; here are those that an author writes who means harm.

const times = (count: number, part: (n: number) => string): string =>
  Array.from({ length: count }, (_none, n) => part(n)).join('\n');

const refused = expect.objectContaining({
  code: 'COMPONENT_INVALID',
  message: expect.stringContaining('too many times'),
});

describe('a small component that would become a large plan', () => {
  it('by importing one type under many names is refused', async () => {
    const component = await parse(`(component
      (type $big (instance ${times(500, (n) => `(export "f${n}" (func (param "a" string)))`)}))
      ${times(900, (n) => `(import "a:b/i${n}" (instance (type $big)))`)})`);
    expect(component.length).toBeLessThan(100_000);
    expect(() => decodeComponent(component)).toThrow(refused);
  });

  it('by lowering one function many times is refused', async () => {
    const component = await parse(`(component
      (import "a:b/c" (instance $host (export "f" (func ${times(15, (n) => `(param "p${n}" u32)`)}))))
      (alias export $host "f" (func $f))
      ${times(70_000, () => '(core func (canon lower (func $f)))')})`);
    expect(() => decodeComponent(component)).toThrow(refused);
  });
});
