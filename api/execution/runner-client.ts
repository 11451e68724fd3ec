import { Pool } from 'undici';
import { z } from 'zod';
import { isErrorCode, isPlatformError, kindOf, PlatformError, type ErrorCode } from '../../core/errors.ts';
import {
  EXECUTE_FRAME_TYPE,
  executeResponse,
  runnerAnnouncement,
  START_WITHIN_MS,
  type ExecuteRequest,
  type ExecuteResponse,
  type RunnerAnnouncement,
} from '../../core/execute.ts';
import { decodeFrame, encodeFrame } from '../../core/execute-frame.ts';
import type { SecretValue } from '../../core/secret-value.ts';
import { exchange, NeverSentError, type Exchanged } from '../../platform/http/exchange.ts';
import { expiryOf } from '../../platform/tokens/execution-token.ts';
import { createSealer, requestKey } from '../../platform/tokens/request-seal.ts';

const CONNECTIONS = 256;
/** The runner refuses what cannot begin, stops the guest at its deadline and says so; this is for the way there and back. */
const TRANSPORT_MS = 2_000;
const WARM_DEADLINE_MS = 55_000;
const ANNOUNCEMENT_DEADLINE_MS = 5_000;
/** A guest's largest response body, and room for its head. */
const MAX_ANSWER_BYTES = 33 * 1024 * 1024;
/** Why a runner does not load a version, beside faults of the guest. */
const NOT_LOADABLE: readonly ErrorCode[] = ['BUNDLE_UNAVAILABLE', 'ARTIFACT_INVALID', 'SIGNATURE_REVOKED'];

const problem = z.object({ code: z.string() });
const readiness = z.object({ status: z.string().max(100).optional() });

export interface RunnerAnswer {
  answer: ExecuteResponse;
  body: Uint8Array;
}

/** What lets a runner believe a request. */
export interface Proof {
  token: string;
  /** What it announced; without one it is sent the service credential itself. */
  sealEpoch: string | undefined;
}

export interface WarmVersion {
  tenantId: string;
  contentHash: string;
  limits: { timeoutMs: number; memoryMb: number };
}

/** Errors, all about the runner and not the guest: RUNNER_BUSY, RUNNER_UNAVAILABLE, CONCURRENCY_LIMITED, OUTCOME_UNKNOWN. */
export interface RunnerClient {
  execute(request: ExecuteRequest, body: Uint8Array, proof: Proof): Promise<RunnerAnswer>;
  /** Also throws what kept the version from being loaded: BUNDLE_UNAVAILABLE, ARTIFACT_INVALID, SIGNATURE_REVOKED, and what its own fault is. */
  warm(version: WarmVersion, proof: Pick<Proof, 'sealEpoch'>): Promise<void>;
  /** What it takes of limits and capabilities, and why it would rather be sent nothing, if so. Throws RUNNER_UNAVAILABLE. */
  readiness(): Promise<{ announcement: RunnerAnnouncement; unready: string | undefined }>;
  /** Requests that were made and are not answered. */
  underWay(): number;
  close(): Promise<void>;
}

/** `servername`: what its certificate is for, where that is not in the address. */
export function createRunnerClient(options: {
  baseUrl: string;
  serviceToken: SecretValue;
  servername?: string;
}): RunnerClient {
  const base = new URL(options.baseUrl);
  const prefix = base.pathname.replace(/\/$/, '');
  const connect = (connections: number, more?: Pool.Options): Pool =>
    new Pool(base.origin, {
      connections,
      maxResponseSize: MAX_ANSWER_BYTES,
      headersTimeout: 0, // each request brings its own deadline
      bodyTimeout: 0,
      ...more,
      ...(options.servername !== undefined && { connect: { servername: options.servername } }),
    });
  let pool = connect(CONNECTIONS);
  /** Pools that are used no more, until all that they were given is answered. */
  const left = new Map<Pool, Promise<void>>();
  const leave = (used: Pool): void => {
    if (used !== pool) return;
    pool = connect(CONNECTIONS);
    left.set(
      used,
      used.close().finally(() => left.delete(used)),
    );
  };
  // Apart, as one that has all its connections in use is busy, and not away; each time anew, to hear who listens now.
  const asking = connect(1, { pipelining: 0 });
  const authorization = `Bearer ${options.serviceToken.reveal()}`;
  const seal = createSealer(requestKey(options.serviceToken, options.baseUrl));

  async function post(
    path: string,
    { contentType, body, token, sealEpoch, deadlineMs, expiresAt }: Proven,
  ): Promise<Exchanged> {
    const covered = { path, contentType, executionToken: token ?? '' };
    const proof =
      sealEpoch === undefined ? { authorization } : seal({ ...covered, epoch: sealEpoch, body, expiresAt });
    try {
      const headers = {
        'content-type': contentType,
        ...(token !== undefined && { 'x-execution-token': token }),
        ...proof,
      };
      const used = pool;
      const request = { method: 'POST', path: `${prefix}${path}`, headers, body } as const;
      const answer = await exchange(used, request, deadlineMs);
      if (isLeaving(answer)) leave(used);
      return answer;
    } catch (cause) {
      if (cause instanceof NeverSentError) {
        throw new PlatformError('RUNNER_UNAVAILABLE', 'the runner cannot be reached; try again', { cause });
      }
      throw outcomeUnknown(cause);
    }
  }

  return {
    async execute(request, body, proof) {
      const { timeout_ms: timeoutMs } = request.limits;
      const { statusCode, bytes } = await post('/v1/execute', {
        ...proof,
        contentType: EXECUTE_FRAME_TYPE,
        body: Buffer.concat(encodeFrame(request, body)),
        deadlineMs: START_WITHIN_MS + timeoutMs + TRANSPORT_MS,
        expiresAt: expiryOf(timeoutMs),
      });
      if (statusCode !== 200) throw refusal(statusCode, bytes);
      const frame = decodeFrame(bytes);
      const answer = executeResponse.safeParse(frame?.head);
      if (!frame || !answer.success) {
        throw outcomeUnknown(answer.error);
      }
      return { answer: answer.data, body: frame.body };
    },

    async warm({ tenantId, contentHash, limits }, { sealEpoch }) {
      const { statusCode, bytes } = await post('/v1/warm', {
        sealEpoch,
        contentType: 'application/json',
        body: JSON.stringify({
          tenant_id: tenantId,
          content_hash: contentHash,
          // A runner of the first release, which seals nothing, takes no member that it does not know.
          ...(sealEpoch !== undefined && {
            limits: { timeout_ms: limits.timeoutMs, memory_mb: limits.memoryMb },
          }),
        }),
        deadlineMs: WARM_DEADLINE_MS,
        expiresAt: expiryOf(WARM_DEADLINE_MS),
      });
      if (statusCode !== 200) throw refusal(statusCode, bytes);
    },

    async readiness() {
      try {
        const request = { method: 'GET', path: `${prefix}/readyz`, headers: {} } as const;
        const { statusCode, bytes } = await exchange(asking, request, ANNOUNCEMENT_DEADLINE_MS);
        const said: unknown = JSON.parse(bytes.toString('utf8'));
        const { status } = readiness.parse(said);
        return {
          announcement: runnerAnnouncement.parse(said),
          unready: statusCode === 200 ? undefined : (status ?? `it answered ${statusCode}`),
        };
      } catch (cause) {
        throw new PlatformError('RUNNER_UNAVAILABLE', 'the runner cannot be reached; try again', { cause });
      }
    },

    underWay: () => [pool, ...left.keys()].reduce((sum, { stats }) => sum + stats.size, 0),

    async close() {
      await Promise.all([pool.close(), asking.close(), ...left.values()]);
    },
  };
}

/** Of a refusal that came before anything had begun, and that speaks of what the runner had announced: it may announce something else now. */
export function refusedToBegin(err: unknown): boolean {
  if (!isPlatformError(err)) return false;
  const { runnerCode } = err.details;
  return runnerCode === 'INPUT_INVALID' || runnerCode === 'UNAUTHENTICATED';
}

/**
 * Whether other connections lead to a runner that stops, and may be closed while a request is on its way, or to another than the one that
 * listens now, where they answer differently about a seal.
 */
function isLeaving({ closes, statusCode, bytes }: Exchanged): boolean {
  if (statusCode === 200) return closes;
  const code = problemCode(bytes);
  return code === 'RUNNER_DRAINING' || code === 'UNAUTHENTICATED';
}

interface Proven extends Partial<Proof> {
  contentType: string;
  body: Buffer | string;
  deadlineMs: number;
  /** Of its seal. */
  expiresAt: number;
}

/** Nobody may be told to try again: the guest may have done its work. */
function outcomeUnknown(cause: unknown): PlatformError {
  return new PlatformError(
    'OUTCOME_UNKNOWN',
    'the runner was lost before it answered; whether the extension did its work is not known',
    { cause },
  );
}

/** A refusal we caused (a wrong credential, a body that is none) is our bug and becomes INTERNAL. */
function refusal(status: number, bytes: Uint8Array): PlatformError {
  const code = problemCode(bytes);
  const details = { runnerStatus: status, runnerCode: code };
  if (code !== undefined && (NOT_LOADABLE.includes(code) || kindOf(code) === 'guest')) {
    return new PlatformError(code, 'the runner could not load the version', { details });
  }
  if (status === 429) {
    return new PlatformError('CONCURRENCY_LIMITED', 'too many executions at once; try again', { details });
  }
  if (status === 503) return new PlatformError('RUNNER_BUSY', 'the runner is busy; try again', { details });
  return new PlatformError('INTERNAL', `the runner refused with ${status} ${code ?? ''}`, { details });
}

function problemCode(bytes: Uint8Array): ErrorCode | undefined {
  try {
    const { code } = problem.parse(JSON.parse(Buffer.from(bytes).toString('utf8')));
    return isErrorCode(code) ? code : undefined;
  } catch {
    return undefined; // not one of our problems: the status alone speaks
  }
}
