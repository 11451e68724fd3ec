import type { ErrorCode } from '../core/errors.ts';
import type { Check, FailureReason } from '../core/progress.ts';

/** The codes that say that the bundle is at fault, and the check each belongs to. Anything else is the platform's own failure. */
const CHECK_OF_CODE: Partial<Record<ErrorCode, string>> = {
  UPLOAD_MISMATCH: 'hash',
  BUNDLE_CORRUPT: 'archive',
  ARCHIVE_LIMIT_EXCEEDED: 'archive',
  MANIFEST_INVALID: 'manifest',
  BUNDLE_REJECTED: 'files',
  COMPONENT_INVALID: 'component',
  WORLD_MISMATCH: 'component',
  CAPABILITY_UNAVAILABLE: 'capabilities',
  SIGNATURE_INVALID: 'signature',
  PUBLISHER_NOT_YOURS: 'publisher',
  VERSION_EXISTS: 'version',
};

/** The checks with the fault among them, or undefined if the bundle is not at fault. A check that passed earlier is overruled. */
export function withFault(checks: readonly Check[], { code, message }: FailureReason): Check[] | undefined {
  const name = CHECK_OF_CODE[code];
  if (name === undefined) return undefined;
  if (checks.some((check) => check.required && check.result === 'failed')) return [...checks];
  const failed: Check = { name, result: 'failed', required: true, detail: message };
  return [...checks.filter((check) => check.name !== name), failed];
}
