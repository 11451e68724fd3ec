import { archiveFault } from './archive-fault.ts';

/** More than any path needs; a larger header is refused unread. */
export const MAX_PAX_BYTES = 4096;

/** Records that say nothing about content: other tars write them for times and owners. */
const IGNORED = new Set(['mtime', 'atime', 'ctime', 'uid', 'gid', 'uname', 'gname', 'comment']);

/**
 * The path a pax header gives the entry after it, or undefined. Any record that could change what the entry is (its size, its
 * link, a sparse map) is BUNDLE_CORRUPT: two readers could then see two different files.
 */
export function parsePaxPath(bytes: Uint8Array): string | undefined {
  let path: string | undefined;
  let rest = bytes;
  while (rest.length > 0) {
    const { key, value, length } = firstRecord(rest);
    if (key === 'path') path = value;
    else if (!IGNORED.has(key)) throw archiveFault('pax_key', `a pax header sets ${JSON.stringify(key)}`);
    rest = rest.subarray(length);
  }
  return path;
}

/** One `<length> <key>=<value>\n`, where the length counts all of it. */
function firstRecord(bytes: Uint8Array): { key: string; value: string; length: number } {
  const length = Number(/^([1-9][0-9]{0,4}) /.exec(text(bytes.subarray(0, 6), false))?.[1] ?? 0);
  const record = text(bytes.subarray(0, length), true);
  const match = /^[0-9]+ ([^=]+)=([^]*)\n$/.exec(record);
  if (length > bytes.length || match?.[1] === undefined || match[2] === undefined) {
    throw archiveFault('pax_record', 'a pax header cannot be read');
  }
  return { key: match[1], value: match[2], length };
}

function text(bytes: Uint8Array, fatal: boolean): string {
  try {
    return new TextDecoder('utf-8', { fatal, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw archiveFault('pax_record', 'a pax header is not UTF-8', { cause });
  }
}
