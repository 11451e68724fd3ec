import { createHash } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { DEFAULT_BUNDLE_LIMITS } from '../../core/tar/limits.ts';
import { packTarZst } from './pack.ts';
import type { PackEntry } from './pack.ts';
import { unpackTarZst } from './unpack.ts';
import { fc } from '../../test/support/properties.ts';

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

async function* inChunks(bytes: Uint8Array, sizes: readonly number[]): AsyncGenerator<Uint8Array> {
  for (let at = 0, turn = 0; at < bytes.length; turn += 1) {
    const size = sizes[turn % sizes.length] ?? 1;
    yield await Promise.resolve(bytes.subarray(at, at + size));
    at += size;
  }
}

async function unpackAll(source: AsyncIterable<Uint8Array> | Uint8Array): Promise<PackEntry[]> {
  const entries: PackEntry[] = [];
  for await (const entry of unpackTarZst(source, DEFAULT_BUNDLE_LIMITS)) {
    entries.push({ path: entry.path, bytes: await entry.bytes() });
  }
  return entries;
}

const segment = fc.stringMatching(/^[a-z0-9_é-]{1,40}$/).map((text) => text.normalize('NFC'));
const path = fc
  .array(segment, { minLength: 1, maxLength: 5 })
  .map((segments) => segments.join('/'))
  .filter((text) => Buffer.byteLength(text) <= 200);
// A file never stands where another's folder is: each file's last segment has an ending, no folder has one.
const entries = fc.uniqueArray(
  fc.record({ path: path.map((text) => `${text}.x`), bytes: fc.uint8Array({ maxLength: 3000 }) }),
  { selector: (entry) => entry.path, maxLength: 8 },
);

describe('packTarZst', () => {
  it('makes what unpackTarZst reads back, whatever the chunks', async () => {
    await fc.assert(
      fc.asyncProperty(
        entries,
        fc.array(fc.integer({ min: 1, max: 700 }), { minLength: 1, maxLength: 5 }),
        async (files, sizes) => {
          const unpacked = await unpackAll(inChunks(await packTarZst(files), sizes));
          const sorted = files.toSorted((a, b) => Buffer.compare(Buffer.from(a.path), Buffer.from(b.path)));
          expect(unpacked.map((file) => file.path)).toEqual(sorted.map((file) => file.path));
          for (const [at, file] of sorted.entries()) {
            expect(Buffer.compare(file.bytes, unpacked[at]?.bytes ?? new Uint8Array())).toBe(0);
          }
        },
      ),
      { numRuns: 30 },
    );
  });

  it('gives the same bytes for the same files in any order', async () => {
    const files = ['b/c.txt', 'a.txt', 'b.txt', 'é.txt'].map((name) => ({
      path: name,
      bytes: bytesOf(name),
    }));
    const packed = await packTarZst(files);
    expect(Buffer.compare(packed, await packTarZst(files.toReversed()))).toBe(0);
  });

  it('gives the bytes it always gave', async () => {
    const packed = await packTarZst([
      { path: 'manifest.json', bytes: bytesOf('{"name":"x"}\n'.repeat(500)) },
    ]);
    expect(createHash('sha256').update(packed).digest('hex')).toBe(
      '2627ae9f844333b6ba4acc29d589cae5d314c6f69b86188e68d8b6db4fee9e73',
    );
  });

  it('keeps a path that needs the ustar prefix', async () => {
    const long = `${'folder/'.repeat(20)}${'f'.repeat(100)}`;
    expect(await unpackAll(await packTarZst([{ path: long, bytes: bytesOf('x') }]))).toHaveLength(1);
  });

  it.each([
    ['a file name over 100 bytes', 'f'.repeat(101)],
    ['a path that climbs out', '../secret'],
    ['an absolute path', '/etc/passwd'],
    ['a name that is not in NFC', 'e\u0301.txt'],
  ])('refuses %s', async (_what, name) => {
    await expect(packTarZst([{ path: name, bytes: bytesOf('x') }])).rejects.toMatchObject({
      code: 'BUNDLE_CORRUPT',
    });
  });

  it('refuses files over the limits', async () => {
    const limits = { ...DEFAULT_BUNDLE_LIMITS, entries: 1, entryBytes: 3 };
    const one = { path: 'a', bytes: bytesOf('abc') };
    await expect(packTarZst([one, { ...one, path: 'b' }], limits)).rejects.toMatchObject({
      code: 'ARCHIVE_LIMIT_EXCEEDED',
      details: { limit: 'entries' },
    });
    await expect(packTarZst([{ path: 'a', bytes: bytesOf('abcd') }], limits)).rejects.toMatchObject({
      details: { limit: 'entryBytes' },
    });
  });
});
