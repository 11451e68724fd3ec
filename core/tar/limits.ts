import { PlatformError } from '../errors.ts';

const MIB = 1024 * 1024;

/** What an archive may cost its reader. Sizes in bytes. */
export interface ArchiveLimits {
  compressedBytes: number;
  /** The whole tar, headers and padding included. */
  expandedBytes: number;
  /** One file. */
  entryBytes: number;
  /** The component of a bundle, which its readers hold whole. */
  componentBytes: number;
  /** Headers of any kind. */
  entries: number;
  /** Expanded over compressed bytes at any point of the stream, once RATIO_FLOOR bytes have come out. */
  ratio: number;
  /** UTF-8 bytes of one path. */
  pathBytes: number;
}

/** Below this many expanded bytes no ratio is judged: a few small files are mostly padding. */
export const RATIO_FLOOR = 4 * MIB;

export const DEFAULT_BUNDLE_LIMITS: ArchiveLimits = {
  compressedBytes: 200 * MIB,
  expandedBytes: 512 * MIB,
  entryBytes: 128 * MIB,
  componentBytes: 64 * MIB, // componentize-js makes 12
  entries: 10_000,
  ratio: 100,
  pathBytes: 1024,
};

export type ArchiveLimitName = keyof ArchiveLimits;

/** ARCHIVE_LIMIT_EXCEEDED with the limit and what is over it. */
export function archiveLimitExceeded(
  limits: ArchiveLimits,
  name: ArchiveLimitName,
  what: string,
): PlatformError {
  const limit = limits[name];
  const message = `${what}; the limit is ${limit}`;
  return new PlatformError('ARCHIVE_LIMIT_EXCEEDED', message, {
    details: { limit: name, value: limit },
    issues: [{ path: '', code: name, message }],
  });
}
