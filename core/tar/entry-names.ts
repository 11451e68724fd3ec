import { PlatformError } from '../errors.ts';
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
        throw corrupt(
          twin === path
            ? `${quote(path)} is there twice`
            : `${quote(path)} and ${quote(twin)} differ only in case`,
        );
      }
      const parents = parentsOf(folded);
      if (folders.has(folded) || parents.some((parent) => files.has(parent))) {
        throw corrupt(`${quote(path)} is both a file and a folder`);
      }
      files.set(folded, path);
      for (const parent of parents) folders.add(parent);
    },
  };
}

/** A relative path of plain segments in NFC, with "/" between them. */
function assertEntryPath(path: string, limits: ArchiveLimits): void {
  if (new TextEncoder().encode(path).length > limits.pathBytes) {
    throw archiveLimitExceeded(limits, 'pathBytes', `the path ${quote(path.slice(0, 80))}… is too long`);
  }
  const fault = faultOf(path);
  if (fault !== undefined) throw corrupt(`the path ${quote(path)} ${fault}`);
}

function faultOf(path: string): string | undefined {
  if (path === '') return 'is empty';
  if (!path.isWellFormed()) return 'is not well-formed Unicode';
  // Format characters are invisible or turn the reading direction: they make two paths look like one.
  if (/[\p{Cc}\p{Cf}]/u.test(path)) return 'has a control character';
  if (path.includes('\\')) return 'has a backslash';
  if (path.startsWith('/') || /^[A-Za-z]:/.test(path)) return 'is absolute';
  if (path.normalize('NFC') !== path) return 'is not in Unicode normal form C';
  const segments = path.split('/');
  if (segments.includes('..') || segments.includes('.')) return 'has a "." or ".." segment';
  if (segments.includes('')) return 'has an empty segment';
  return undefined;
}

function parentsOf(path: string): string[] {
  return [...path.matchAll(/\//g)].map((slash) => path.slice(0, slash.index));
}

function quote(path: string): string {
  return JSON.stringify(path);
}

function corrupt(message: string): PlatformError {
  return new PlatformError('BUNDLE_CORRUPT', message);
}
