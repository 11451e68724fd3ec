import { createHash } from 'node:crypto';
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { isPlatformError } from '../../core/errors.ts';
import { DEFAULT_BUNDLE_LIMITS, type ArchiveLimits } from '../../core/tar/limits.ts';
import { packTarZst } from './pack.ts';
import { verifyBundle } from './read-bundle.ts';

const KIB = 1024;
/** Small, so that mutations reach them. */
const LIMITS: ArchiveLimits = {
  ...DEFAULT_BUNDLE_LIMITS,
  compressedBytes: 16 * KIB,
  expandedBytes: 64 * KIB,
  entryBytes: 16 * KIB,
  componentBytes: 16 * KIB,
  entries: 12,
  pathBytes: 200,
};
const REFUSALS = ['BUNDLE_CORRUPT', 'BUNDLE_REJECTED', 'ARCHIVE_LIMIT_EXCEEDED', 'MANIFEST_INVALID'];
const MANIFEST = {
  ...{ name: 'fuzzed', publisher: 'Fuzz', version: '1.0.0', runtime: 'wasm-js@1' },
  ui: { type: 'iframe', entry: 'ui/index.html' },
};
const BLOCK = 512;
const RUNS = { numRuns: 600, seed: 13 };

let bundle: Uint8Array;
let tar: Uint8Array;
beforeAll(async () => {
  const long = `ui/${'folder/'.repeat(20)}long.js`; // has a pax or prefix header
  bundle = await packTarZst([
    { path: 'manifest.json', bytes: Buffer.from(JSON.stringify(MANIFEST)) },
    { path: 'entry.wasm', bytes: Buffer.from('\0asm\r\0\u0001\0') },
    { path: 'ui/index.html', bytes: Buffer.from('<!doctype html>'.repeat(50)) },
    { path: long, bytes: Buffer.from('x'.repeat(700)) },
    { path: `ui/${'n'.repeat(150)}.js`, bytes: Buffer.from('y') },
  ]);
  tar = zstdDecompressSync(bundle);
});

/** One change to bytes; where it strikes is a fraction of their length. */
type Mutation = (bytes: Buffer) => Buffer;
const place = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
const at = (bytes: Buffer, fraction: number): number => Math.floor(fraction * bytes.length);
const blockAt = (bytes: Buffer, fraction: number): number => Math.floor(at(bytes, fraction) / BLOCK) * BLOCK;

const ofBytes: fc.Arbitrary<Mutation> = fc.oneof(
  fc.tuple(place, fc.nat(255)).map(([where, value]): Mutation => (bytes) => {
    const changed = Buffer.from(bytes);
    changed[at(bytes, where)] = value;
    return changed;
  }),
  place.map(
    (where): Mutation =>
      (bytes) =>
        bytes.subarray(0, at(bytes, where)),
  ),
  fc.tuple(place, fc.uint8Array({ maxLength: 64 })).map(
    ([where, more]): Mutation =>
      (bytes) =>
        Buffer.concat([bytes.subarray(0, at(bytes, where)), more, bytes.subarray(at(bytes, where))]),
  ),
);

/** Fields of a header: name, mode, size, checksum, type, link, magic, prefix. */
const FIELDS = [0, 100, 124, 148, 156, 157, 257, 345];
/** What tempts a reader, in any of them. */
const TEMPTATIONS = [
  '../x',
  '/etc/x',
  '77777777777',
  '\xff\xff\xff\xff\xff\xff\xff\xff',
  '2',
  'x',
  '\0',
  'manifest.json',
];
const ofTar: fc.Arbitrary<Mutation> = fc.oneof(
  ofBytes,
  fc
    .tuple(place, fc.constantFrom(...FIELDS), fc.constantFrom(...TEMPTATIONS))
    .map(([where, field, text]): Mutation => (bytes) => {
      const changed = Buffer.from(bytes);
      const start = blockAt(bytes, where);
      if (start + BLOCK > bytes.length) return bytes; // another change cut the tar short
      changed.write(text, start + field, 'latin1');
      return withChecksum(changed, start);
    }),
  fc.tuple(place, place).map(([from, to]): Mutation => (bytes) => {
    const start = blockAt(bytes, from);
    const target = blockAt(bytes, to);
    const moved = bytes.subarray(start, start + 3 * BLOCK);
    return Buffer.concat([bytes.subarray(0, target), moved, bytes.subarray(target)]);
  }),
);

/** Right again, so that the reader gets past it. */
function withChecksum(bytes: Buffer, start: number): Buffer {
  const header = bytes.subarray(start, start + BLOCK);
  header.fill(0x20, 148, 156);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return bytes;
}

async function* inPieces(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let from = 0; from < bytes.length; from += size)
    yield await Promise.resolve(bytes.subarray(from, from + size));
}

/** Refused with a code of its own, or whole and within every limit; never anything else. Answers which. */
async function judged(bytes: Uint8Array, piece: number): Promise<string> {
  const { bundle: taken, fault, files } = await verifyBundle(inPieces(bytes, piece), { limits: LIMITS });
  if (fault) {
    expect(isPlatformError(fault) && REFUSALS).toContain(fault.code);
    expect(taken).toBeUndefined();
    return fault.code;
  }
  expect(taken).toMatchObject({
    contentHash: `sha256:${createHash('sha256').update(bytes).digest('hex')}`,
    size: bytes.length,
  });
  expect(bytes.length).toBeLessThanOrEqual(LIMITS.compressedBytes);
  expect(files.length).toBeLessThanOrEqual(LIMITS.entries);
  expect(new Set(files.map(({ path }) => path.toLowerCase())).size).toBe(files.length);
  for (const { path, size } of files) {
    expect(size).toBeLessThanOrEqual(LIMITS.entryBytes);
    expect(Buffer.byteLength(path)).toBeLessThanOrEqual(LIMITS.pathBytes);
    expect(path).not.toMatch(/^\/|\\|\0|(^|\/)\.\.?(\/|$)/);
  }
  return 'taken';
}

describe('a bundle that was changed at random', () => {
  it('as it was is taken', async () => {
    expect(await judged(bundle, 100)).toBe('taken');
    expect(await judged(zstdCompressSync(tar), 7)).toBe('taken');
  });

  it.each<[string, fc.Arbitrary<Mutation>, (changed: Buffer) => Uint8Array, () => Uint8Array, string[]]>([
    ['in its compressed bytes', ofBytes, (changed) => changed, () => bundle, ['BUNDLE_CORRUPT']],
    [
      'in its tar',
      ofTar,
      (changed) => zstdCompressSync(changed),
      () => tar,
      ['BUNDLE_CORRUPT', 'BUNDLE_REJECTED', 'taken'],
    ],
  ])(
    '%s is refused with a code or taken whole, within every limit',
    async (_where, one, pack, whole, seen) => {
      const outcomes = new Set<string>();
      const mutations = fc.array(one, { minLength: 1, maxLength: 3 });
      await fc.assert(
        fc.asyncProperty(mutations, fc.constantFrom(1, 37, 4096), async (all, piece) => {
          const changed = all.reduce<Buffer>((bytes, change) => change(bytes), Buffer.from(whole()));
          outcomes.add(await judged(pack(changed), piece));
        }),
        // A reader that hangs fails here, and says with which bytes.
        { ...RUNS, timeout: 10_000 },
      );
      // Else it was tried on nothing.
      expect([...outcomes]).toEqual(expect.arrayContaining(seen));
    },
  );
});
