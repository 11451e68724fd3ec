import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { createFrameReader, encodeFrame, FrameError, type Frame } from './frame.ts';
import type { WireValue } from './wire-value.ts';

const scalar = fc.oneof(
  fc.string(),
  fc.integer(),
  fc.boolean(),
  fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  fc.uint8Array(),
);
const field = fc.oneof(fc.string(), fc.constantFrom('$bytes', '$int', '$plain', '__proto__'));
const value = fc.letrec<{ value: WireValue }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    scalar,
    fc.array(fc.oneof(tie('value'), fc.constant(undefined)), { maxLength: 4 }),
    fc.array(fc.tuple(field, tie('value')), { maxLength: 4 }).map((entries) => Object.fromEntries(entries)),
  ),
})).value;

const anyFrame = fc.record({
  type: fc.integer({ min: 0, max: 255 }),
  id: fc.integer({ min: 0, max: 0xffff_ffff }),
  head: value,
});

/** Buffers and typed arrays of other realms are not equal to jest; their numbers are. */
function plain(item: WireValue): unknown {
  if (ArrayBuffer.isView(item)) return ['bytes', ...item];
  if (Array.isArray(item)) return (item as WireValue[]).map(plain);
  if (typeof item === 'object') return Object.entries(item).map(([name, member]) => [name, plain(member)]);
  return item;
}

function readAll(chunks: readonly Buffer[], maxBytes = 1 << 20): Frame[] {
  const read = createFrameReader(maxBytes);
  return chunks.flatMap((chunk) => read(chunk));
}

function frameBytes(head: string, blobs = ''): Buffer {
  const start = Buffer.alloc(13);
  start.writeUInt32BE(9 + head.length + blobs.length, 0);
  start.writeUInt32BE(head.length, 9);
  return Buffer.concat([start, Buffer.from(head), Buffer.from(blobs)]);
}

describe('sandbox frames', () => {
  it('come out as they went in, however the bytes are cut', () => {
    fc.assert(
      fc.property(
        fc.array(anyFrame, { maxLength: 4 }),
        fc.array(fc.integer({ min: 1, max: 64 })),
        (sent, cuts) => {
          const bytes = Buffer.concat(sent.flatMap(encodeFrame));
          const chunks: Buffer[] = [];
          for (let at = 0, turn = 0; at < bytes.length; turn += 1) {
            const size = cuts[turn % Math.max(cuts.length, 1)] ?? bytes.length;
            chunks.push(bytes.subarray(at, at + size));
            at += size;
          }
          const received = readAll(chunks);
          expect(received.map(({ type, id, head }) => [type, id, plain(head)])).toEqual(
            sent.map(({ type, id, head }) => [type, id, plain(head)]),
          );
        },
      ),
    );
  });

  it('are refused over the size cap, as soon as the length is known', () => {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(1025);
    expect(() => readAll([length], 1024)).toThrow(FrameError);
  });

  it.each([
    ['a head that is not JSON', '{'],
    ['bytes beyond the end', '{"$bytes":[0,5]}'],
    ['bytes before the start', '{"$bytes":[-1,1]}'],
    ['a number that is none', '{"$int":"0x10"}'],
    ['an unknown marker', '{"$eval":"1"}'],
    ['nesting without end', '['.repeat(200) + ']'.repeat(200)],
  ])('are refused with %s', (_name, head) => {
    expect(() => readAll([frameBytes(head, 'abcd')])).toThrow(FrameError);
  });

  it('are refused when the head is longer than the frame', () => {
    const bytes = frameBytes('{}');
    bytes.writeUInt32BE(3, 9);
    expect(() => readAll([bytes])).toThrow(FrameError);
  });

  it('cannot change the prototype of what is decoded', () => {
    const [frame] = readAll([frameBytes('{"__proto__":{"polluted":true}}')]);
    expect(Object.getPrototypeOf(frame?.head)).toBe(Object.getPrototypeOf(JSON.parse('{}')));
    expect((frame?.head as { polluted?: unknown }).polluted).toBeUndefined();
  });
});
