import { describe, expect, it } from '@jest/globals';
import { MAP, MARKED_PAGE_BYTES, STORE_TAIL } from './reserved.ts';
import { rewindModule, type Rewind } from './rewind-module.ts';

const PAGE_BYTES = 64 * 1024;
const REWIND = new WebAssembly.Module(rewindModule());

/** A memory of pages that held something and pages that were empty, and the module that rewinds it. */
function start(pristinePages: number, emptyPages: number) {
  const live = new WebAssembly.Memory({ initial: pristinePages + emptyPages });
  const pristine = new WebAssembly.Memory({ initial: pristinePages });
  const map = new WebAssembly.Memory({ initial: 1 });
  const held = new Uint8Array(pristine.buffer);
  for (let at = 0; at < held.length; at += 1) held[at] = (at * 7 + (at >> 12)) & 0xff;
  new Uint8Array(live.buffer).set(held);
  const { exports } = new WebAssembly.Instance(REWIND, { rewind: { live, pristine, map } });
  const beginning = Buffer.from(live.buffer.slice(0));
  return {
    bytes: new Uint8Array(live.buffer),
    marks: new Uint8Array(map.buffer, MAP.pages),
    beginning,
    rewind: (pages = pristinePages + emptyPages) => (exports['rewind'] as Rewind)(held.length, pages),
  };
}

describe('a memory that is rewound', () => {
  it.each([
    [2, 0],
    [1, 3],
    [3, 1],
    [0, 2],
  ])('is what it was: %s pages that held something, %s that were empty', (pristinePages, emptyPages) => {
    const { bytes, marks, beginning, rewind } = start(pristinePages, emptyPages);
    const pages = bytes.length / MARKED_PAGE_BYTES;
    for (let seed = 0; seed < 200; seed += 1) {
      for (let write = 0; write <= seed % 16; write += 1) {
        const page =
          seed < 2 ? (pages - 1) * seed : (Math.imul(seed * 31 + write + 1, 0x9e3779b1) >>> 16) % pages;
        marks[page] = 1;
        bytes.fill(0xa5 ^ write, page * MARKED_PAGE_BYTES, (page + 1) * MARKED_PAGE_BYTES + STORE_TAIL);
      }
      expect(rewind()).toBe(1);
      expect([seed, beginning.equals(bytes)]).toEqual([seed, true]);
      expect(marks.includes(1)).toBe(false);
    }
  });

  it('keeps what no mark tells of', () => {
    const { bytes, marks, rewind } = start(1, 0);
    const beside = [3 * MARKED_PAGE_BYTES - 1, 4 * MARKED_PAGE_BYTES + STORE_TAIL];
    for (const at of beside) bytes[at] = 99;
    marks[3] = 1;
    rewind();
    expect(beside.map((at) => bytes[at])).toEqual([99, 99]);
  });

  it('is left alone when it has another size than it is said to have', () => {
    const { bytes, marks, rewind } = start(1, 1);
    marks[0] = 1;
    bytes[0] = 99;
    expect(rewind(3)).toBe(0);
    expect(bytes[0]).toBe(99);
    expect(marks[0]).toBe(1);
    expect(bytes.length).toBe(2 * PAGE_BYTES);
  });
});
