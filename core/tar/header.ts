import { PlatformError } from '../errors.ts';

export const TAR_BLOCK = 512;

/** Permissions and times are the same for every entry, so that equal files give equal archives. */
const FILE_MODE = 0o644;
const NAME_BYTES = 100;
const PREFIX_BYTES = 155;

/** Kinds of entry a bundle may hold; `pax` carries a long name for the entry after it. */
export type TarEntryType = 'file' | 'folder' | 'pax';

export interface TarHeader {
  path: string;
  type: TarEntryType;
  size: number;
}

const REFUSED_TYPES: Readonly<Record<string, string>> = {
  '1': 'a hard link',
  '2': 'a symbolic link',
  '3': 'a character device',
  '4': 'a block device',
  '6': 'a FIFO',
  '7': 'a contiguous file',
  g: 'a global pax header',
  K: 'a GNU long link',
  L: 'a GNU long name',
  S: 'a GNU sparse file',
};

/** The ustar header of one regular file. BUNDLE_CORRUPT if the path cannot be split into ustar's name and prefix. */
export function encodeTarHeader(path: string, size: number): Uint8Array {
  const { name, prefix } = splitPath(path);
  const block = new Uint8Array(TAR_BLOCK);
  const put = (offset: number, bytes: Uint8Array): void => block.set(bytes, offset);
  const text = (value: string): Uint8Array => new TextEncoder().encode(value);
  put(0, name);
  put(100, octal(FILE_MODE, 8));
  put(108, octal(0, 8)); // uid
  put(116, octal(0, 8)); // gid
  put(124, octal(size, 12));
  put(136, octal(0, 12)); // mtime
  put(156, text('0'));
  put(257, text('ustar\x0000'));
  put(329, octal(0, 8)); // devmajor
  put(337, octal(0, 8)); // devminor
  put(345, prefix);
  put(148, text(`${checksumOf(block).toString(8).padStart(6, '0')}\0 `));
  return block;
}

/** Undefined for a block of zeros, which ends an archive. BUNDLE_CORRUPT for anything that is no entry of a bundle. */
export function parseTarHeader(block: Uint8Array): TarHeader | undefined {
  if (block.every((byte) => byte === 0)) return undefined;
  if (parseOctal(block, 148, 8, 'checksum') !== checksumOf(block)) {
    throw corrupt('a tar header has a wrong checksum');
  }
  const magic = latin1(block, 257, 265);
  // GNU tar puts times where ustar has the prefix, so only ustar's is read.
  const isUstar = magic === 'ustar\x0000';
  if (!isUstar && magic !== 'ustar  \0') throw corrupt('a tar header is not in ustar format');
  const name = field(block, 0, NAME_BYTES);
  const prefix = isUstar ? field(block, 345, PREFIX_BYTES) : '';
  const path = prefix === '' ? name : `${prefix}/${name}`;
  const size = parseOctal(block, 124, 12, 'size');
  return { path, type: entryType(latin1(block, 156, 157), path, size), size };
}

/** How many zero bytes follow `size` bytes of content. */
export function tarPadding(size: number): number {
  return (TAR_BLOCK - (size % TAR_BLOCK)) % TAR_BLOCK;
}

function entryType(flag: string, path: string, size: number): TarEntryType {
  if (flag === '0' || flag === '\0') return 'file';
  if (flag === 'x') return 'pax';
  if (flag === '5') {
    if (size !== 0) throw corrupt(`the folder ${JSON.stringify(path)} has content`);
    return 'folder';
  }
  const what = REFUSED_TYPES[flag] ?? `of the unknown type ${JSON.stringify(flag)}`;
  throw corrupt(`${JSON.stringify(path)} is ${what}; a bundle holds regular files only`);
}

function splitPath(path: string): { name: Uint8Array; prefix: Uint8Array } {
  const bytes = new TextEncoder().encode(path);
  if (bytes.length <= NAME_BYTES) return { name: bytes, prefix: new Uint8Array() };
  const slash = 0x2f;
  for (let at = Math.min(PREFIX_BYTES, bytes.length - 2); at > 0; at -= 1) {
    if (bytes[at] === slash && bytes.length - at - 1 <= NAME_BYTES) {
      return { name: bytes.subarray(at + 1), prefix: bytes.subarray(0, at) };
    }
  }
  throw corrupt(
    `the path ${JSON.stringify(path)} does not fit a tar header: a file name may have ${NAME_BYTES} bytes`,
  );
}

function octal(value: number, width: number): Uint8Array {
  return new TextEncoder().encode(`${value.toString(8).padStart(width - 1, '0')}\0`);
}

function parseOctal(block: Uint8Array, offset: number, width: number, what: string): number {
  const match = /^ *([0-7]+)[ \0]*$/.exec(latin1(block, offset, offset + width));
  if (match?.[1] === undefined) throw corrupt(`the ${what} in a tar header is not an octal number`);
  return Number.parseInt(match[1], 8);
}

/** Sum of all bytes, those of the checksum itself counted as spaces. */
function checksumOf(block: Uint8Array): number {
  return block.reduce((sum, byte, at) => sum + (at >= 148 && at < 156 ? 0x20 : byte), 0);
}

function field(block: Uint8Array, offset: number, width: number): string {
  const bytes = block.subarray(offset, offset + width);
  const end = bytes.indexOf(0);
  // What stands behind the end mark is invisible to some readers and part of the name to others.
  if (end >= 0 && bytes.subarray(end).some((byte) => byte !== 0)) {
    throw corrupt('a name in a tar header has bytes after its end');
  }
  return decodeName(end < 0 ? bytes : bytes.subarray(0, end));
}

function decodeName(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw corrupt('a name in the archive is not UTF-8', cause);
  }
}

function latin1(block: Uint8Array, from: number, to: number): string {
  return String.fromCharCode(...block.subarray(from, to));
}

function corrupt(message: string, cause?: unknown): PlatformError {
  return new PlatformError('BUNDLE_CORRUPT', message, { cause });
}
