import { randomBytes, randomFillSync } from 'node:crypto';
import { Readable } from 'node:stream';
import { createZstdCompress, zstdCompressSync } from 'node:zlib';
import { describe, expect, it } from '@jest/globals';
import { PlatformError } from '../../core/errors.ts';
import { encodeTarHeader, tarPadding } from '../../core/tar/header.ts';
import { DEFAULT_BUNDLE_LIMITS } from '../../core/tar/limits.ts';
import type { ArchiveLimits } from '../../core/tar/limits.ts';
import type { ByteSource } from '../objects/object-store.ts';
import { unpackTarZst } from './unpack.ts';

const END = new Uint8Array(1024);
const CHECKSUM = 148;
const TYPE = 156;

/** A raw header with bytes of our choice in it, and a right checksum unless told otherwise. */
function header(path: string, size: number, patch: { at: number; bytes: string }[] = [], sum = true): Buffer {
  const block = Buffer.from(encodeTarHeader('x', size));
  block.fill(0, 0, 100);
  block.write(path, 0, 'utf8');
  for (const { at, bytes } of patch) block.write(bytes, at, 'latin1');
  if (sum) {
    block.fill(0x20, CHECKSUM, CHECKSUM + 8);
    const total = block.reduce((all, byte) => all + byte, 0);
    block.write(`${total.toString(8).padStart(6, '0')}\0 `, CHECKSUM);
  }
  return block;
}

function content(text: string): Buffer {
  const bytes = Buffer.from(text);
  return Buffer.concat([bytes, Buffer.alloc(tarPadding(bytes.length))]);
}

const file = (path: string, text = 'x'): Buffer =>
  Buffer.concat([header(path, Buffer.byteLength(text)), content(text)]);
const ofType = (flag: string, path = 'x'): Buffer => header(path, 0, [{ at: TYPE, bytes: flag }]);
const pax = (record: string): Buffer =>
  Buffer.concat([header('pax', Buffer.byteLength(record), [{ at: TYPE, bytes: 'x' }]), content(record)]);
const record = (key: string, value: string): string => {
  const rest = ` ${key}=${value}\n`;
  const digits = String(rest.length + 2).length;
  return `${rest.length + digits}${rest}`;
};
const tar = (...blocks: Uint8Array[]): Buffer => zstdCompressSync(Buffer.concat([...blocks, END]));

async function paths(source: ByteSource, limits: Partial<ArchiveLimits> = {}): Promise<string[]> {
  const found: string[] = [];
  for await (const entry of unpackTarZst(source, { ...DEFAULT_BUNDLE_LIMITS, ...limits }))
    found.push(entry.path);
  return found;
}

describe('unpackTarZst', () => {
  it.each<[string, Buffer]>([
    ['a symbolic link', tar(ofType('2'))],
    ['a hard link', tar(ofType('1'))],
    ['a character device', tar(ofType('3'))],
    ['a block device', tar(ofType('4'))],
    ['a FIFO', tar(ofType('6'))],
    ['a global pax header', tar(ofType('g'))],
    ['a GNU long name', tar(ofType('L'))],
    ['a sparse file', tar(ofType('S'))],
    ['an unknown type', tar(ofType('Z'))],
    ['a folder with content', tar(header('d/', 1, [{ at: TYPE, bytes: '5' }]), content('x'))],
    ['a path that climbs out', tar(file('../x'))],
    ['a path that climbs out further in', tar(file('ui/../../x'))],
    ['a path with a dot segment', tar(file('ui/./x'))],
    ['an absolute path', tar(file('/x'))],
    ['a Windows drive', tar(file('C:x'))],
    ['a backslash', tar(file('ui\\x'))],
    ['a control character', tar(file('ui/a\u0007'))],
    ['an invisible character', tar(file('ui/a\u202etxt'))],
    ['an empty segment', tar(file('ui//x'))],
    ['a regular file named as a folder', tar(file('ui/'))],
    ['an empty path', tar(file(''))],
    ['a name that is not in NFC', tar(file('e\u0301'))],
    ['a name that is not UTF-8', tar(header('', 0, [{ at: 0, bytes: 'a\xff' }]))],
    ['bytes behind the end of a name', tar(header('', 0, [{ at: 0, bytes: 'a\0b' }]))],
    ['a path twice', tar(file('ui/x'), file('ui/x'))],
    ['a path twice, once with "./"', tar(file('ui/x'), file('./ui/x'))],
    ['paths that differ in case only', tar(file('ui/x'), file('ui/X'))],
    ['paths that differ in sharp s only', tar(file('ui/stra\u00dfe'), file('ui/STRASSE'))],
    ['a file where a folder is', tar(file('ui/x'), file('ui'))],
    ['a folder where a file is', tar(file('ui'), file('ui/x'))],
    ['a wrong checksum', tar(header('x', 0, [{ at: CHECKSUM, bytes: '000001\0 ' }], false))],
    ['a size that is no octal number', tar(header('x', 0, [{ at: 124, bytes: '0000000000z' }]))],
    ['a base-256 size', tar(header('x', 0, [{ at: 124, bytes: '\x80\0\0\0\0\0\0\0\0\0\0\x01' }]))],
    ['a header that is not ustar', tar(header('x', 0, [{ at: 257, bytes: 'nothing\0' }]))],
    ['a pax size', tar(pax(record('size', '9')), file('x'))],
    ['a pax link', tar(pax(record('linkpath', '/etc')), file('x'))],
    ['a pax sparse map', tar(pax(record('GNU.sparse.map', '0,1')), file('x'))],
    ['a pax path that climbs out', tar(pax(record('path', '../x')), file('x'))],
    ['a pax path with a NUL', tar(pax(record('path', 'a\0b')), file('x'))],
    ['a pax record whose length is wrong', tar(pax('99 path=a\n'), file('x'))],
    ['a pax record without a length', tar(pax('path=a\n'), file('x'))],
    ['two pax headers in a row', tar(pax(record('path', 'a')), pax(record('path', 'b')), file('x'))],
    ['a pax header with nothing after it', tar(pax(record('path', 'a')))],
    ['a huge pax header', tar(pax(record('comment', 'c'.repeat(5000))), file('x'))],
    ['bytes in the padding of a file', tar(header('x', 1), Buffer.alloc(512, 1))],
    ['bytes after the end mark', zstdCompressSync(Buffer.concat([file('x'), END, Buffer.from('more')]))],
    ['no end mark', zstdCompressSync(file('x'))],
    ['half an end mark', zstdCompressSync(Buffer.concat([file('x'), Buffer.alloc(512)]))],
    ['a file that is cut off', zstdCompressSync(Buffer.concat([header('x', 5000), Buffer.alloc(512)]))],
    ['a frame that is cut off', tar(file('x')).subarray(0, -1)],
    ['bytes after the frame', Buffer.concat([tar(file('x')), Buffer.from('more')])],
    ['a second frame', Buffer.concat([tar(file('x')), tar(file('y'))])],
    ['a skippable frame behind', Buffer.concat([tar(file('x')), Buffer.from('502a4d1800000000', 'hex')])],
    ['a skippable frame before', Buffer.concat([Buffer.from('502a4d1800000000', 'hex'), tar(file('x'))])],
    ['a damaged frame', Buffer.from(tar(file('x', 'hello '.repeat(99)))).fill(0x55, 20, 40)],
    ['a window over 8 MiB', Buffer.from('28b52ffd00a0010000', 'hex')],
    ['one segment over 8 MiB', Buffer.from('28b52ffda000009000010000', 'hex')],
    ['something that is no zstd', Buffer.from('PK\x03\x04 a zip')],
    ['no bytes', Buffer.alloc(0)],
  ])('refuses %s', async (_what, archive) => {
    await expect(paths(archive)).rejects.toMatchObject({ code: 'BUNDLE_CORRUPT' });
  });

  it.each<[keyof ArchiveLimits, Partial<ArchiveLimits>, () => Buffer]>([
    ['compressedBytes', { compressedBytes: 1000 }, () => tar(file('x', randomBytes(2000).toString('hex')))],
    ['expandedBytes', { expandedBytes: 100_000 }, () => tar(file('x', 'x'.repeat(200_000)))],
    ['entryBytes', { entryBytes: 10 }, () => tar(file('x', 'x'.repeat(11)))],
    ['entries', { entries: 2 }, () => tar(file('a'), file('b'), file('c'))],
    ['entries', { entries: 2 }, () => tar(ofType('5', 'a/'), ofType('5', 'b/'), file('c'))],
    ['pathBytes', { pathBytes: 10 }, () => tar(file('ui/long-name'))],
    ['ratio', {}, () => tar(file('x', '\0'.repeat(20 * 1024 * 1024)))],
  ])('stops at the limit %s', async (limit, limits, archive) => {
    await expect(paths(archive(), limits)).rejects.toMatchObject({
      code: 'ARCHIVE_LIMIT_EXCEEDED',
      details: { limit },
    });
  });

  it('reads what other tars write: folders, "./" and pax paths and times', async () => {
    const archive = tar(
      ofType('5', './'),
      ofType('5', './ui/'),
      file('./manifest.json'),
      pax(record('path', 'ui/long') + record('mtime', '1.5')),
      file('ui/lo'),
      Buffer.alloc(8192),
    );
    expect(await paths(archive)).toEqual(['manifest.json', 'ui/long']);
  });

  it('passes an error of the source on as it is', async () => {
    const away = new PlatformError('OBJECT_STORE_UNAVAILABLE', 'away');
    async function* failing(): AsyncGenerator<Uint8Array> {
      yield await Promise.resolve(tar(file('x')).subarray(0, 20));
      throw away;
    }
    await expect(paths(failing())).rejects.toBe(away);
  });

  it('closes the source when the reader leaves early', async () => {
    let closed = false;
    const isClosed = (): boolean => closed;
    async function* endless(): AsyncGenerator<Uint8Array> {
      try {
        const archive = tar(file('a'), file('b', randomBytes(1_000_000).toString('hex')));
        for (let at = 0; at < archive.length; at += 100)
          yield await Promise.resolve(archive.subarray(at, at + 100));
      } finally {
        closed = true;
      }
    }
    for await (const entry of unpackTarZst(endless(), DEFAULT_BUNDLE_LIMITS)) {
      expect(entry.path).toBe('a');
      break;
    }
    const deadline = Date.now() + 5000;
    while (!isClosed() && Date.now() < deadline) await new Promise(setImmediate);
    expect(isClosed()).toBe(true);
  });

  it('skips what is left of a body when the next entry is asked for', async () => {
    const read: string[] = [];
    for await (const entry of unpackTarZst(
      tar(file('a', 'a'.repeat(3000)), file('b', 'bb')),
      DEFAULT_BUNDLE_LIMITS,
    )) {
      if (entry.path === 'b') read.push(Buffer.from(await entry.bytes()).toString());
    }
    expect(read).toEqual(['bb']);
  });

  it('reads 100 MiB without taking in much more than it has given out', async () => {
    const piece = Buffer.alloc(1024 * 1024);
    async function* archive(): AsyncGenerator<Uint8Array> {
      for (const path of ['a', 'b']) {
        yield header(path, 50 * piece.length);
        // Random bytes do not shrink, so what goes in can be compared with what comes out.
        for (let at = 0; at < 50; at += 1) yield await Promise.resolve(Buffer.from(randomFillSync(piece)));
      }
      yield END;
    }
    const compressed = Readable.from(archive(), { objectMode: false }).pipe(createZstdCompress());
    let taken = 0;
    let given = 0;
    let mostHeld = 0;
    async function* counted(): AsyncGenerator<Uint8Array> {
      for await (const chunk of compressed as AsyncIterable<Uint8Array>) {
        taken += chunk.length;
        mostHeld = Math.max(mostHeld, taken - given);
        yield chunk;
      }
    }
    for await (const entry of unpackTarZst(counted(), DEFAULT_BUNDLE_LIMITS)) {
      for await (const chunk of entry.body) given += chunk.length;
    }
    expect(given).toBe(100 * piece.length);
    expect(mostHeld).toBeLessThan(4 * 1024 * 1024);
  });
});
