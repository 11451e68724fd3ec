import { archiveFault, type ArchiveFault } from './archive-fault.ts';

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

const REFUSED_TYPES: Readonly<Record<string, readonly [ArchiveFault, string]>> = {
  '1': ['entry_link', 'a hard link'],
  '2': ['entry_link', 'a symbolic link'],
  '3': ['entry_device', 'a character device'],
  '4': ['entry_device', 'a block device'],
  '6': ['entry_device', 'a FIFO'],
  '7': ['entry_type', 'a contiguous file'],
  g: ['entry_type', 'a global pax header'],
  K: ['entry_type', 'a GNU long link'],
  L: ['entry_type', 'a GNU long name'],
  S: ['entry_type', 'a GNU sparse file'],
};

/** In the header of an entry whose path stands in a pax header before it. */
const LONG_PATH = 'long-path';

/** What stands before the content of one regular file: its ustar header, with a pax header before that for a path that does not fit. */
export function encodeTarHeader(path: string, size: number): Uint8Array {
  const split = splitPath(path);
  if (split !== undefined) return ustarHeader(split, '0', size);
  const record = paxRecord('path', path);
  const padded = new Uint8Array(record.length + tarPadding(record.length));
  padded.set(record);
  const long = { name: new TextEncoder().encode(LONG_PATH), prefix: new Uint8Array() };
  const parts = [ustarHeader(long, 'x', record.length), padded, ustarHeader(long, '0', size)];
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** `<length> <key>=<value>\n`, where the length counts its own digits. */
function paxRecord(key: string, value: string): Uint8Array {
  const rest = new TextEncoder().encode(` ${key}=${value}\n`);
  let length = rest.length + 1;
  while (String(length).length + rest.length !== length) length = String(length).length + rest.length;
  return new TextEncoder().encode(`${length} ${key}=${value}\n`);
}

interface SplitPath {
  name: Uint8Array;
  prefix: Uint8Array;
}

function ustarHeader({ name, prefix }: SplitPath, type: string, size: number): Uint8Array {
  const block = new Uint8Array(TAR_BLOCK);
  const put = (offset: number, bytes: Uint8Array): void => block.set(bytes, offset);
  const text = (value: string): Uint8Array => new TextEncoder().encode(value);
  put(0, name);
  put(100, octal(FILE_MODE, 8));
  put(108, octal(0, 8)); // uid
  put(116, octal(0, 8)); // gid
  put(124, octal(size, 12));
  put(136, octal(0, 12)); // mtime
  put(156, text(type));
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
    throw archiveFault('header_checksum', 'a tar header has a wrong checksum');
  }
  const magic = latin1(block, 257, 265);
  // GNU tar puts times where ustar has the prefix, so only ustar's is read.
  const isUstar = magic === 'ustar\x0000';
  if (!isUstar && magic !== 'ustar  \0')
    throw archiveFault('header_format', 'a tar header is not in ustar format');
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
    if (size !== 0) {
      throw archiveFault('folder_content', `the folder ${JSON.stringify(path)} has content`, { path });
    }
    return 'folder';
  }
  const [code, what] = REFUSED_TYPES[flag] ?? ['entry_type', `of the unknown type ${JSON.stringify(flag)}`];
  throw archiveFault(code, `${JSON.stringify(path)} is ${what}; a bundle holds regular files only`, { path });
}

/** Undefined for a path that fits no ustar header. */
function splitPath(path: string): SplitPath | undefined {
  const bytes = new TextEncoder().encode(path);
  if (bytes.length <= NAME_BYTES) return { name: bytes, prefix: new Uint8Array() };
  const slash = 0x2f;
  for (let at = Math.min(PREFIX_BYTES, bytes.length - 2); at > 0; at -= 1) {
    if (bytes[at] === slash && bytes.length - at - 1 <= NAME_BYTES) {
      return { name: bytes.subarray(at + 1), prefix: bytes.subarray(0, at) };
    }
  }
  return undefined;
}

function octal(value: number, width: number): Uint8Array {
  return new TextEncoder().encode(`${value.toString(8).padStart(width - 1, '0')}\0`);
}

function parseOctal(block: Uint8Array, offset: number, width: number, what: string): number {
  const match = /^ *([0-7]+)[ \0]*$/.exec(latin1(block, offset, offset + width));
  if (match?.[1] === undefined)
    throw archiveFault('header_number', `the ${what} in a tar header is not an octal number`);
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
    throw archiveFault('header_name', 'a name in a tar header has bytes after its end');
  }
  return decodeName(end < 0 ? bytes : bytes.subarray(0, end));
}

function decodeName(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw archiveFault('path_unicode', 'a name in the archive is not UTF-8', { cause });
  }
}

function latin1(block: Uint8Array, from: number, to: number): string {
  return String.fromCharCode(...block.subarray(from, to));
}
