import { describe, expect, it } from '@jest/globals';
import { createFrameReader, encodeFrame, FrameError, type AdmitFrame, type Frame } from './frame.ts';
import { MAX_VALUES } from './said-limits.ts';
import type { WireValue } from './wire-value.ts';
import { fc } from '../../test/support/properties.ts';

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

function readAll(chunks: readonly Buffer[], admit: AdmitFrame = () => true): Frame[] {
  const read = createFrameReader(admit, MAX_VALUES);
  const frames: Frame[] = [];
  for (const chunk of chunks) read(chunk, (frame) => frames.push(frame));
  return frames;
}

/** In pieces of so many bytes. */
function cut(bytes: Buffer, size: number): Buffer[] {
  return Array.from({ length: Math.ceil(bytes.length / size) }, (_, at) =>
    bytes.subarray(at * size, (at + 1) * size),
  );
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

  it('are asked about as soon as their start is there', () => {
    const refuse: AdmitFrame = ({ headBytes, blobBytes }) => {
      throw new FrameError(`${headBytes} and ${blobBytes}`);
    };
    expect(() => readAll([frameBytes('"head"', 'blob').subarray(0, 13)], refuse)).toThrow('6 and 4');
  });

  it.each([1, 7, 64, 1_000])('that are not read leave no trace of themselves, in pieces of %i', (size) => {
    const bytes = Buffer.concat([
      frameBytes('no JSON'.repeat(99)),
      frameBytes('1'),
      frameBytes('{'),
      frameBytes('2'),
    ]);
    const asked: number[] = [];
    const frames = readAll(cut(bytes, size), ({ headBytes }) => asked.push(headBytes) % 2 === 0);
    expect(frames.map(({ head }) => head)).toEqual([1, 2]);
    expect(asked).toEqual([693, 1, 1, 1]);
  });

  it('hold as many values as may be, whatever is in their strings', () => {
    const json = (values: number): string => `["${',[{\\"'.repeat(9_999)}"${',""'.repeat(values - 2)}]`;
    expect(readAll([frameBytes(json(MAX_VALUES))])).toHaveLength(1);
    expect(() => readAll([frameBytes(json(MAX_VALUES + 1))])).toThrow(FrameError);
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
