import type { ErrorCode } from './errors.ts';

// The codes of the runner's wire contract. A runner answers no others: what else goes wrong within it is INTERNAL.

/** What a runner says of itself or of its caller, with the HTTP status of the code. The last eight are of `/v1/warm` alone. */
export const REFUSAL_CODES = [
  'INPUT_INVALID',
  'MEDIA_TYPE_UNSUPPORTED',
  'BODY_TOO_LARGE',
  'METHOD_NOT_ALLOWED',
  'NOT_FOUND',
  'UNAUTHENTICATED',
  'TOKEN_INVALID',
  'CONCURRENCY_LIMITED',
  'RUNNER_BUSY',
  'RUNNER_DRAINING',
  'INTERNAL',
  'BUNDLE_UNAVAILABLE',
  'OBJECT_STORE_UNAVAILABLE',
  'ARTIFACT_INVALID',
  'SIGNATURE_REVOKED',
  'GATEWAY_UNAVAILABLE',
  'GUEST_TRAPPED',
  'GUEST_TIMEOUT',
  'GUEST_OUT_OF_MEMORY',
] as const satisfies readonly ErrorCode[];
export type RefusalCode = (typeof REFUSAL_CODES)[number];

/** What became of an execution that did not end well: in the body of a 200. */
export const OUTCOME_CODES = [
  'GUEST_TRAPPED',
  'GUEST_OUT_OF_MEMORY',
  'GUEST_OUT_OF_FUEL',
  'GUEST_TIMEOUT',
  'GUEST_ERROR',
  'GUEST_RESPONSE_TOO_LARGE',
  'SANDBOX_LOST',
  'BUNDLE_UNAVAILABLE',
  'OBJECT_STORE_UNAVAILABLE',
  'ARTIFACT_INVALID',
  'SIGNATURE_REVOKED',
  'GATEWAY_UNAVAILABLE',
  'INTERNAL',
] as const satisfies readonly ErrorCode[];
export type OutcomeCode = (typeof OUTCOME_CODES)[number];

export function isRefusalCode(code: ErrorCode): code is RefusalCode {
  return (REFUSAL_CODES as readonly ErrorCode[]).includes(code);
}

export function isOutcomeCode(code: ErrorCode): code is OutcomeCode {
  return (OUTCOME_CODES as readonly ErrorCode[]).includes(code);
}
