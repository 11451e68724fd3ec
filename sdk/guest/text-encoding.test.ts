import util from 'node:util';
import { describe, expect, it } from '@jest/globals';
import { TextDecoder, TextEncoder } from './text-encoding.ts';
import { fc } from '../../test/support/properties.ts';

// What Node has is held to the tests of the web platform: it says what is right.

/** Bytes that are likely to be nearly UTF-8. */
const bytes = fc
  .array(
    fc.oneof(
      fc.uint8Array({ maxLength: 4 }),
      fc.string({ unit: 'binary', maxLength: 4 }).map((text) => Uint8Array.from(Buffer.from(text))),
      fc.constantFrom(
        ...['efbbbf', 'e0a0', 'ed9fbf', 'eda080', 'f0908080', 'f48fbfbf', 'f490', 'c0af', 'e2ad', 'ff'].map(
          (hex) => Uint8Array.from(Buffer.from(hex, 'hex')),
        ),
      ),
    ),
    { maxLength: 8 },
  )
  .map((parts) => Uint8Array.from(Buffer.concat(parts)));
const options = fc.record({ fatal: fc.boolean(), ignoreBOM: fc.boolean() });
const text = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.array(fc.integer({ min: 0, max: 0xffff })).map((units) => String.fromCharCode(...units)),
  fc.array(fc.constantFrom('a', 'ß', '€', '😀', '\ud83d', '\ude00', '\ufeff')).map((parts) => parts.join('')),
);
const RUNS = { numRuns: 2_000 };

function resultOf(decode: () => string): string {
  try {
    return `text ${decode()}`;
  } catch (err) {
    return (err as Error).name;
  }
}

describe('TextDecoder', () => {
  it('reads whatever bytes as Node does', () => {
    fc.assert(
      fc.property(bytes, options, (input, how) => {
        const ours = resultOf(() => new TextDecoder('utf-8', how).decode(input));
        expect(ours).toBe(resultOf(() => new util.TextDecoder('utf-8', how).decode(input)));
      }),
      RUNS,
    );
  });

  it('reads them in pieces as it does at once, and again afterwards', () => {
    fc.assert(
      fc.property(fc.array(bytes, { maxLength: 5 }), fc.boolean(), bytes, (pieces, ignoreBOM, after) => {
        const ours = new TextDecoder('utf-8', { ignoreBOM });
        const read = [...pieces.map((piece) => ours.decode(piece, { stream: true })), ours.decode()].join('');
        // In pieces Node takes U+FEFF for a byte order mark where only U+FFFD came before it.
        const atOnce = (input: Uint8Array): string =>
          new util.TextDecoder('utf-8', { ignoreBOM }).decode(input);
        expect(read).toBe(atOnce(Buffer.concat(pieces)));
        expect(ours.decode(after)).toBe(atOnce(after));
      }),
      RUNS,
    );
  });

  it('gives each character with the piece that ends it', () => {
    const decoder = new TextDecoder();
    const pieces = ['efbb', 'bf61e2', 'ad', 'efbbbf', 'f09f', '9880e2'].map((hex) =>
      decoder.decode(Buffer.from(hex, 'hex'), { stream: true }),
    );
    expect([...pieces, decoder.decode()]).toEqual(['', 'a', '', '\ufffd\ufeff', '', '😀', '\ufffd']);
  });

  it('begins anew after bytes that it refused', () => {
    const decoder = new TextDecoder('utf-8', { fatal: true });
    expect(() => decoder.decode(Uint8Array.of(0xe2, 0x82), { stream: false })).toThrow(TypeError);
    expect(() => decoder.decode(Uint8Array.of(0xff), { stream: true })).toThrow(TypeError);
    expect(decoder.decode(Uint8Array.of(0xef, 0xbb, 0xbf, 0x61))).toBe('a');
  });

  it('reads buffers, views and parts of them, and more than fits in the arguments of one call', () => {
    const long = '😀ä'.repeat(200_000);
    const buffer = Uint8Array.from(Buffer.from(`..${long}..`)).buffer;
    expect(new TextDecoder().decode(new DataView(buffer, 2, buffer.byteLength - 4))).toBe(long);
    expect(new TextDecoder().decode(buffer)).toBe(`..${long}..`);
    expect(new TextDecoder().decode()).toBe('');
    expect(() => new TextDecoder().decode('text' as never)).toThrow(TypeError);
  });

  it.each(['utf8', ' UTF-8\n', 'unicode-1-1-utf-8', undefined])('knows UTF-8 as %j', (label) => {
    expect(new TextDecoder(label)).toMatchObject({ encoding: 'utf-8', fatal: false, ignoreBOM: false });
  });

  it('has no other encoding', () => {
    expect(() => new TextDecoder('latin1')).toThrow(RangeError);
  });
});

describe('TextEncoder', () => {
  it('writes whatever text as Node does', () => {
    fc.assert(
      fc.property(text, (input) => {
        expect([...new TextEncoder().encode(input)]).toEqual([...new util.TextEncoder().encode(input)]);
      }),
      RUNS,
    );
  });

  it('writes into what room there is as Node does', () => {
    fc.assert(
      fc.property(text, fc.nat({ max: 40 }), (input, room) => {
        const [ours, theirs] = [new Uint8Array(room), new Uint8Array(room)];
        expect(new TextEncoder().encodeInto(input, ours)).toEqual(
          new util.TextEncoder().encodeInto(input, theirs),
        );
        expect([...ours]).toEqual([...theirs]);
      }),
      RUNS,
    );
  });

  it.each([[undefined], [null], [12]])('writes %j as Node does', (input) => {
    const given = input as unknown as string;
    expect([...new TextEncoder().encode(given)]).toEqual([...new util.TextEncoder().encode(given)]);
  });
});
