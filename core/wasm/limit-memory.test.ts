import { describe, expect, it } from '@jest/globals';
import type { PlatformError } from '../errors.ts';
import { limitMemories, memoryMaximumBytes } from './limit-memory.ts';

const MB = 1024 * 1024;
const HEADER = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00];
const name = (text: string): number[] => [text.length, ...new TextEncoder().encode(text)];
const section = (id: number, ...body: number[]): number[] => [id, body.length, ...body];

/** Modules by hand: limits are flags, minimum and maximum in pages of 64 KiB. */
const module = (...sections: number[][]): Uint8Array => Uint8Array.from([...HEADER, ...sections.flat()]);
const withMemory = (...limits: number[]): Uint8Array =>
  module(section(5, 1, ...limits), section(7, 1, ...name('memory'), 2, 0));

interface Exported {
  buffer: ArrayBuffer;
  grow(pages: number): number;
}

/** How far the engine itself lets a module's memory grow, in pages. */
function growable(bytes: Uint8Array, imports: WebAssembly.Imports = {}): number {
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes), imports);
  const memory = exports['memory'] as Exported;
  for (;;) {
    try {
      memory.grow(1);
    } catch {
      return memory.buffer.byteLength / (64 * 1024); // the engine refused: that is what we want to know
    }
  }
}

function limited(bytes: Uint8Array, memoryMb: number): Uint8Array {
  return limitMemories({ only: bytes }, memoryMb)['only'] ?? new Uint8Array();
}

function codeOf(act: () => unknown): string | undefined {
  try {
    act();
    return undefined;
  } catch (error) {
    return (error as PlatformError).code;
  }
}

describe('limitMemories', () => {
  it('gives a memory without a maximum the cap', () => {
    expect(growable(limited(withMemory(0, 1), 2))).toBe(32);
  });

  it('lowers a larger maximum and keeps a smaller one', () => {
    expect(growable(limited(withMemory(1, 1, 0x80, 0x08), 2))).toBe(32);
    expect(growable(limited(withMemory(1, 1, 5), 2))).toBe(5);
  });

  it('refuses a minimum above the cap and says how to raise it', () => {
    const act = (): unknown => limitMemories({ only: withMemory(0, 33) }, 2);
    expect(act).toThrow(/raise limits\.memoryMb/);
    expect(codeOf(act)).toBe('COMPONENT_INVALID');
  });

  it('counts the minimums of all modules together', () => {
    const act = (): unknown => limitMemories({ a: withMemory(0, 20), b: withMemory(0, 20) }, 2);
    expect(codeOf(act)).toBe('COMPONENT_INVALID');
  });

  it('divides what the minimums leave over between several memories', () => {
    const { a, b } = limitMemories({ a: withMemory(0, 2), b: withMemory(0, 10) }, 2);
    expect([growable(a ?? HEADER_ONLY), growable(b ?? HEADER_ONLY)]).toEqual([12, 20]);
  });

  it('caps an imported memory and leaves the other imports as they are', () => {
    const imports = section(
      2,
      ...[4, ...name('e'), ...name('f'), 0x00, 0],
      ...[...name('e'), ...name('t'), 0x01, 0x70, 0x01, 1, 9],
      ...[...name('e'), ...name('memory'), 0x02, 0x00, 1],
      ...[...name('e'), ...name('g'), 0x03, 0x7f, 0x01],
    );
    const types = section(1, 1, 0x60, 0, 0);
    const rewritten = limited(module(types, imports), 2);
    const described = WebAssembly.Module.imports(new WebAssembly.Module(rewritten));
    expect(described.map(({ kind }) => kind)).toEqual(['function', 'table', 'memory', 'global']);
    expect([...rewritten.slice(-9)]).toEqual(
      [0x02, 0x01, 1, 32, ...name('e'), ...name('g'), 0x03, 0x7f, 0x01].slice(-9),
    );
  });

  it('leaves a module without memory byte for byte as it was', () => {
    const bytes = module(section(0, ...name('custom'), 1, 2, 3));
    expect(limited(bytes, 2)).toEqual(bytes);
  });

  it.each([
    ['shared memory', [3, 1, 2]],
    ['64-bit memory', [4, 1]],
    ['pages of another size', [8, 1, 0]],
  ])('refuses %s', (_what, limits) => {
    expect(codeOf(() => limitMemories({ only: withMemory(...limits) }, 2))).toBe('COMPONENT_INVALID');
  });

  it.each([
    ['no module', Uint8Array.from([1, 2, 3])],
    ['a component', Uint8Array.from([0x00, 0x61, 0x73, 0x6d, 0x0d, 0x00, 0x01, 0x00])],
    ['a section beyond the end', Uint8Array.from([...HEADER, 5, 100, 1])],
    ['more memories than bytes', module(section(5, 0xff, 0x0f))],
    ['a number over 32 bits', module(section(5, 1, 0, 0xff, 0xff, 0xff, 0xff, 0x7f))],
    ['bytes after the last memory', module(section(5, 1, 0, 1, 0))],
    ['an import of an unknown kind', module(section(2, 1, ...name('e'), ...name('x'), 9))],
  ])('refuses %s', (_what, bytes) => {
    expect(codeOf(() => limitMemories({ only: bytes }, 2))).toBe('COMPONENT_INVALID');
  });
});

const HEADER_ONLY = Uint8Array.from(HEADER);

describe('memoryMaximumBytes', () => {
  it('adds up what the memories of a module may grow to', () => {
    expect(memoryMaximumBytes(limited(withMemory(0, 1), 2))).toBe(2 * MB);
    expect(memoryMaximumBytes(withMemory(0, 1))).toBe(Infinity);
    expect(memoryMaximumBytes(HEADER_ONLY)).toBe(0);
  });
});
