/** What an edge should do about an error. Whether to retry follows from it and is decided nowhere else. */
export type ErrorKind =
  | 'invalid'
  | 'unauthenticated'
  | 'forbidden'
  | 'not_found'
  | 'conflict'
  | 'limit'
  | 'guest'
  | 'unavailable'
  | 'internal';

interface CodeEntry {
  kind: ErrorKind;
  /** HTTP status where it differs from the kind's own. */
  status?: number;
}

const STATUS_BY_KIND = {
  invalid: 400,
  unauthenticated: 401,
  forbidden: 403,
  not_found: 404,
  conflict: 409,
  limit: 429,
  guest: 502,
  unavailable: 503,
  internal: 500,
} as const satisfies Record<ErrorKind, number>;

/** Every code a client, an operator or an author can meet. The key is stable; the comment says what happened. */
const CODES = {
  // Input
  INPUT_INVALID: { kind: 'invalid' }, // body, query or parameter failed its schema
  SETTINGS_INVALID: { kind: 'invalid', status: 422 }, // config or secrets disagree with the manifest
  CONSENT_INVALID: { kind: 'invalid', status: 422 }, // consent names a capability the version does not ask for
  MEDIA_TYPE_UNSUPPORTED: { kind: 'invalid', status: 415 }, // content-type is not one the route takes
  BODY_TOO_LARGE: { kind: 'invalid', status: 413 }, // request body over its cap
  BODY_TOO_SLOW: { kind: 'invalid', status: 408 }, // request body not whole in time
  METHOD_NOT_ALLOWED: { kind: 'invalid', status: 405 }, // path exists, method does not
  UPLOAD_METHOD_UNAVAILABLE: { kind: 'invalid', status: 422 }, // the upload, or the object store, does not take its bytes that way
  UPLOAD_MISMATCH: { kind: 'invalid', status: 422 }, // bytes received are not the size or sha256 announced
  UPLOAD_INCOMPLETE: { kind: 'conflict' }, // finalize before the bytes arrived
  UPLOAD_CLOSED: { kind: 'conflict' }, // the upload was finalized, aborted or has expired

  // Bundles
  BUNDLE_REJECTED: { kind: 'invalid', status: 422 }, // verification failed; the checks say which
  BUNDLE_CORRUPT: { kind: 'invalid', status: 422 }, // not a readable tar.zst, or bytes differ from their hash
  ARCHIVE_LIMIT_EXCEEDED: { kind: 'invalid', status: 422 }, // sizes, ratio, entries or paths over the limits
  MANIFEST_INVALID: { kind: 'invalid', status: 422 }, // manifest failed its schema or names a missing file
  COMPONENT_INVALID: { kind: 'invalid', status: 422 }, // not a component, or it cannot be transpiled
  WORLD_MISMATCH: { kind: 'invalid', status: 422 }, // component imports or exports outside the host world
  SIGNATURE_INVALID: { kind: 'invalid', status: 422 }, // no signatures that the platform trusts for the publisher
  SIGNATURE_REVOKED: { kind: 'conflict' }, // a version that was published is not signed by what is trusted now
  VERSION_REVOKED: { kind: 'conflict' }, // an operator took the version back
  PUBLISHER_NOT_YOURS: { kind: 'forbidden' }, // publisher slug, or one that reads like it, belongs to another tenant
  VERSION_EXISTS: { kind: 'conflict' }, // versions are immutable
  OBJECT_CONFLICT: { kind: 'internal' }, // a write-once key holds other bytes

  // Who, and what they may do
  UNAUTHENTICATED: { kind: 'unauthenticated' }, // no, unknown, expired or revoked credential
  FORBIDDEN: { kind: 'forbidden' }, // the principal lacks the permission
  CAPABILITY_NOT_GRANTED: { kind: 'forbidden' }, // host API called without a grant
  EXECUTION_ENDED: { kind: 'forbidden' }, // host API called for an execution that is not in flight
  TOKEN_INVALID: { kind: 'unauthenticated' }, // execution token or seal missing, expired, used before, or disagreeing with the body

  // State of the world
  NOT_FOUND: { kind: 'not_found' }, // nothing there, or not for this tenant: the same answer
  OPERATION_RUNNING: { kind: 'conflict' }, // another operation holds this install
  OPERATION_EXPIRED: { kind: 'conflict' }, // nobody took it up in time: a draft no worker, an upload no finalize
  OPERATION_CANCELLED: { kind: 'conflict' }, // an operator cancelled the workflow; what it had done was undone
  OPERATION_LOST: { kind: 'conflict' }, // its workflow was terminated or is gone; what it had done was undone
  INSTALL_EXISTS: { kind: 'conflict' }, // installed already at another version
  STATE_CONFLICT: { kind: 'conflict' }, // the row is not in a state that allows this
  CAPABILITY_UNAVAILABLE: { kind: 'conflict', status: 422 }, // the version needs a capability this platform does not provide
  TRUST_CHANGED: { kind: 'unavailable' }, // other keys are trusted than a moment ago; nothing was done
  INSTALL_QUARANTINED: { kind: 'conflict', status: 503 }, // calls are refused while its version is not trusted; the install says why
  INSTALL_PAUSED: { kind: 'unavailable' }, // calls are refused until an admin resumes it

  // Storage capability
  STORAGE_MISSING: { kind: 'not_found' }, // no such record
  STORAGE_CONFLICT: { kind: 'conflict' }, // revision is not the current one
  STORAGE_LIMIT: { kind: 'limit' }, // namespaces, keys, value size or total size over quota, or too much in one call
  STORAGE_NOT_A_COUNTER: { kind: 'conflict' }, // increment of a record whose value is no integer
  STORAGE_OVERFLOW: { kind: 'conflict' }, // the sum does not fit into 64 bits

  // Requests to other systems, for tenants
  EGRESS_INVALID: { kind: 'invalid' }, // no request that could be sent: its URL, method or a header
  EGRESS_NOT_ALLOWED: { kind: 'forbidden' }, // the grant, the operator or the kind of address forbids it
  EGRESS_LIMITED: { kind: 'limit' }, // too many, too large, or more than the limits leave
  EGRESS_FAILED: { kind: 'unavailable' }, // no answer: name, connection, certificate, time or what the server sent

  // Guest
  GUEST_TIMEOUT: { kind: 'guest', status: 504 }, // ran past its deadline and was stopped
  GUEST_TRAPPED: { kind: 'guest' }, // trapped
  GUEST_OUT_OF_MEMORY: { kind: 'guest' }, // reached its memory cap
  GUEST_OUT_OF_FUEL: { kind: 'guest' }, // spent its fuel
  GUEST_ERROR: { kind: 'guest' }, // threw, or answered with something that is no HTTP response
  GUEST_FAILED: { kind: 'guest' }, // what a client sees of the three above
  GUEST_RESPONSE_TOO_LARGE: { kind: 'guest' }, // response body over limits.responseBytes
  SANDBOX_LOST: { kind: 'guest' }, // its process ended, and that was not its own doing
  HEALTH_CHECK_FAILED: { kind: 'guest', status: 422 }, // the probe of a version did not answer 2xx

  // What we depend on
  BUNDLE_UNAVAILABLE: { kind: 'unavailable' }, // artifact not in the object store
  ARTIFACT_INVALID: { kind: 'internal' }, // artifact's digest or counter-signature is wrong
  COMPONENT_TOOL_CRASHED: { kind: 'internal' }, // the process that inspects or precompiles was killed or could not start
  TARGET_UNAVAILABLE: { kind: 'unavailable' }, // no precompile worker of the release that makes this artifact target took the task
  SECRET_UNREADABLE: { kind: 'internal' }, // sealed to another key, tenant, install or name, or damaged
  RUNNER_BUSY: { kind: 'unavailable' }, // runner has no free sandbox, or has too much to unpack
  RUNNER_DRAINING: { kind: 'unavailable' }, // runner was told to stop: another one takes what it refuses
  RUNNER_UNAVAILABLE: { kind: 'unavailable' }, // runner could not be reached: nothing was sent to it
  OUTCOME_UNKNOWN: { kind: 'unavailable', status: 504 }, // the runner was lost after the call had been sent to it, or the database after a change had been
  HOST_APPLICATION_MISSING: { kind: 'forbidden' }, // none is connected to this platform
  HOST_APPLICATION_REFUSED: { kind: 'forbidden' }, // it does not allow what was asked of it
  HOST_INPUT_REFUSED: { kind: 'invalid', status: 422 }, // it does not take the input
  HOST_ROUTE_MISSING: { kind: 'not_found' }, // it has no such route
  HOST_APPLICATION_UNAVAILABLE: { kind: 'unavailable' }, // it was not reached, or turned the request away: nothing was done
  HOST_APPLICATION_FAILED: { kind: 'unavailable', status: 502 }, // no answer, or none that can be understood: what was asked may have been done
  GATEWAY_UNAVAILABLE: { kind: 'unavailable' }, // worker or runner could not reach the gateway
  TEMPORAL_UNAVAILABLE: { kind: 'unavailable' }, // nothing was begun
  TEMPORAL_OUTCOME_UNKNOWN: { kind: 'unavailable' }, // Temporal may have taken the work; the routes answer 202
  DATABASE_UNAVAILABLE: { kind: 'unavailable' }, // it did not answer, or not in time
  OBJECT_STORE_UNAVAILABLE: { kind: 'unavailable' },
  RATE_LIMITED: { kind: 'limit' }, // more requests than are taken in that time
  QUOTA_EXCEEDED: { kind: 'limit' }, // the tenant has as many uploads, drafts or keys as it may
  CONCURRENCY_LIMITED: { kind: 'limit' }, // too many executions or host calls of this tenant or install at once

  SCHEMA_MISMATCH: { kind: 'internal' }, // the database lacks a migration of this release, or has a breaking one of a newer
  CONFIG_INVALID: { kind: 'invalid' }, // environment of a process failed its schema
  INTERNAL: { kind: 'internal' }, // our bug
} as const satisfies Record<string, CodeEntry>;

export type ErrorCode = keyof typeof CODES;

/** One fault in a piece of input; `path` is a JSON path such as `api.endpoints[0].method`. */
export interface Issue {
  path: string;
  code: string;
  message: string;
  /** What may stand there. */
  expected?: string;
  /** What stands there, cut short; only of what holds no secrets. */
  found?: string;
  /** What to write instead. */
  fix?: string;
}

export interface ErrorOptions {
  /** Facts for logs and tests. Never secret values. */
  details?: Record<string, unknown>;
  issues?: readonly Issue[];
  cause?: unknown;
}

// Jest and the workflow sandbox each have their own realm, so `instanceof` cannot be relied on.
const BRAND = Symbol.for('alga.PlatformError');

/** The one error of the platform. Thrown where the fact is known, translated once at each edge. */
export class PlatformError extends Error {
  override readonly name = 'PlatformError';
  readonly code: ErrorCode;
  readonly details: Record<string, unknown>;
  readonly issues: readonly Issue[];
  readonly [BRAND] = true;

  constructor(code: ErrorCode, message: string, options: ErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.details = options.details ?? {};
    this.issues = options.issues ?? [];
  }

  get kind(): ErrorKind {
    return kindOf(this.code);
  }

  get status(): number {
    return statusOf(this.code);
  }

  get retryable(): boolean {
    return isRetryable(this.code);
  }
}

export function isPlatformError(err: unknown): err is PlatformError {
  return typeof err === 'object' && err !== null && BRAND in err;
}

export function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(CODES, code);
}

export function kindOf(code: ErrorCode): ErrorKind {
  return CODES[code].kind;
}

/** HTTP status of a code. */
export function statusOf(code: ErrorCode): number {
  const entry: CodeEntry = CODES[code];
  return entry.status ?? STATUS_BY_KIND[entry.kind];
}

/** Limits pass, dependencies come back, and a fix for a bug of ours may be deployed; nothing else is worth a second try. */
function isRetryable(code: ErrorCode): boolean {
  const kind = kindOf(code);
  return kind === 'limit' || kind === 'unavailable' || kind === 'internal';
}
