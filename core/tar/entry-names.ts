import { archiveFault, type ArchiveFault } from './archive-fault.ts';
import { archiveLimitExceeded } from './limits.ts';
import type { ArchiveLimits } from './limits.ts';

export interface EntryNames {
  /** Takes a file's path, or throws BUNDLE_CORRUPT / ARCHIVE_LIMIT_EXCEEDED. */
  addFile(path: string): void;
}

/**
 * The rules of names within one archive: each path means the same file on every file system. So no two may differ only in
 * letter case, and none may be the folder of another.
 */
export function createEntryNames(limits: ArchiveLimits): EntryNames {
  const files = new Map<string, string>();
  const folders = new Set<string>();
  return {
    addFile(path) {
      assertEntryPath(path, limits);
      const folded = path.toUpperCase().toLowerCase();
      const twin = files.get(folded);
      if (twin !== undefined) {
        throw twin === path
          ? archiveFault('path_repeated', `${quote(path)} is there twice; leave one out`, { path })
          : archiveFault('path_case', `${quote(path)} and ${quote(twin)} differ only in case; rename one`, {
              path,
            });
      }
      const parents = parentsOf(folded);
      if (folders.has(folded) || parents.some((parent) => files.has(parent))) {
        throw archiveFault('path_file_and_folder', `${quote(path)} is both a file and a folder`, { path });
      }
      files.set(folded, path);
      for (const parent of parents) folders.add(parent);
    },
  };
}

/** What file systems take as the name of one file. */
const SEGMENT_BYTES = 255;

/** A relative path of plain segments in NFC, with "/" between them. */
function assertEntryPath(path: string, limits: ArchiveLimits): void {
  if (new TextEncoder().encode(path).length > limits.pathBytes) {
    throw archiveLimitExceeded(limits, 'pathBytes', `the path ${quote(path.slice(0, 80))}… is too long`);
  }
  const fault = faultOf(path);
  if (fault === undefined) return;
  const [code, what] = fault;
  throw archiveFault(code, `the path ${quote(path)} ${what}`, { path });
}

function faultOf(path: string): [code: ArchiveFault, what: string] | undefined {
  if (path === '') return ['path_empty', 'is empty'];
  if (!path.isWellFormed()) return ['path_unicode', 'is not well-formed Unicode'];
  // Format characters are invisible or turn the reading direction: they make two paths look like one.
  if (/[\p{Cc}\p{Cf}]/u.test(path)) return ['path_control', 'has a control character'];
  if (path.includes('\\')) return ['path_backslash', 'has a backslash'];
  if (path.startsWith('/') || /^[A-Za-z]:/.test(path)) return ['path_absolute', 'is absolute'];
  if (path.normalize('NFC') !== path) return ['path_normal_form', 'is not in Unicode normal form C'];
  const segments = path.split('/');
  if (segments.includes('..') || segments.includes('.')) return ['path_climbs', 'has a "." or ".." segment'];
  if (segments.includes('')) return ['path_segment', 'has an empty segment'];
  if (segments.some((segment) => new TextEncoder().encode(segment).length > SEGMENT_BYTES)) {
    return ['path_segment', `has a name of more than ${SEGMENT_BYTES} bytes`];
  }
  return undefined;
}

function parentsOf(path: string): string[] {
  return [...path.matchAll(/\//g)].map((slash) => path.slice(0, slash.index));
}

function quote(path: string): string {
  return JSON.stringify(path);
}
