import { Pool, type Dispatcher } from 'undici';
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
import { expiryOf } from '../../platform/tokens/execution-token.ts';
import { createSealer, requestKey } from '../../platform/tokens/request-seal.ts';

const CONNECTIONS = 256;
/** The runner refuses what cannot begin, stops the guest at its deadline and says so; this is for the way there and back. */
const TRANSPORT_MS = 2_000;
const WARM_DEADLINE_MS = 55_000;
const ANNOUNCEMENT_DEADLINE_MS = 5_000;
/** A guest's largest response body, and room for its head. */
const MAX_ANSWER_BYTES = 33 * 1024 * 1024;

const problem = z.object({ code: z.string() });

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
  /** Also throws what kept the version from being loaded: BUNDLE_UNAVAILABLE, ARTIFACT_INVALID, and what its own fault is. */
  warm(version: WarmVersion, proof: Pick<Proof, 'sealEpoch'>): Promise<void>;
  /** What it takes of limits and capabilities. Throws RUNNER_UNAVAILABLE. */
  announcement(): Promise<RunnerAnnouncement>;
  close(): Promise<void>;
}

export function createRunnerClient(options: { baseUrl: string; serviceToken: SecretValue }): RunnerClient {
  const base = new URL(options.baseUrl);
  const prefix = base.pathname.replace(/\/$/, '');
  const pool = new Pool(base.origin, {
    connections: CONNECTIONS,
    maxResponseSize: MAX_ANSWER_BYTES,
    headersTimeout: 0, // each request brings its own deadline
    bodyTimeout: 0,
  });
  const authorization = `Bearer ${options.serviceToken.reveal()}`;
  const seal = createSealer(requestKey(options.serviceToken, options.baseUrl));

  async function post(
    path: string,
    { contentType, body, token, sealEpoch, deadlineMs, expiresAt }: Proven,
  ): Promise<{ response: Dispatcher.ResponseData; bytes: Uint8Array }> {
    const signal = AbortSignal.timeout(deadlineMs);
    const covered = { path, contentType, executionToken: token ?? '' };
    const proof =
      sealEpoch === undefined ? { authorization } : seal({ ...covered, epoch: sealEpoch, body, expiresAt });
    try {
      const response = await pool.request({
        method: 'POST',
        path: `${prefix}${path}`,
        headers: {
          'content-type': contentType,
          ...(token !== undefined && { 'x-execution-token': token }),
          ...proof,
        },
        body,
        signal,
      });
      return { response, bytes: await response.body.bytes() };
    } catch (cause) {
      if (wasNeverSent(cause)) {
        throw new PlatformError('RUNNER_UNAVAILABLE', 'the runner cannot be reached; try again', { cause });
      }
      throw outcomeUnknown(cause);
    }
  }

  return {
    async execute(request, body, proof) {
      const { timeout_ms: timeoutMs } = request.limits;
      const { response, bytes } = await post('/v1/execute', {
        ...proof,
        contentType: EXECUTE_FRAME_TYPE,
        body: Buffer.concat(encodeFrame(request, body)),
        deadlineMs: START_WITHIN_MS + timeoutMs + TRANSPORT_MS,
        expiresAt: expiryOf(timeoutMs),
      });
      if (response.statusCode !== 200) throw refusal(response.statusCode, bytes);
      const frame = decodeFrame(bytes);
      const answer = executeResponse.safeParse(frame?.head);
      if (!frame || !answer.success) {
        throw outcomeUnknown(answer.error);
      }
      return { answer: answer.data, body: frame.body };
    },

    async warm({ tenantId, contentHash, limits }, { sealEpoch }) {
      const { response, bytes } = await post('/v1/warm', {
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
      if (response.statusCode !== 200) throw refusal(response.statusCode, bytes);
    },

    async announcement() {
      try {
        const signal = AbortSignal.timeout(ANNOUNCEMENT_DEADLINE_MS);
        const { body } = await pool.request({ method: 'GET', path: `${prefix}/readyz`, signal });
        return runnerAnnouncement.parse(await body.json());
      } catch (cause) {
        throw new PlatformError('RUNNER_UNAVAILABLE', 'the runner cannot be reached; try again', { cause });
      }
    },

    close: () => pool.close(),
  };
}

/** Of a refusal that came before anything had begun, and that speaks of what the runner had announced: it may announce something else now. */
export function refusedToBegin(err: unknown): boolean {
  if (!isPlatformError(err)) return false;
  const { runnerCode } = err.details;
  return runnerCode === 'INPUT_INVALID' || runnerCode === 'UNAUTHENTICATED';
}

interface Proven extends Partial<Proof> {
  contentType: string;
  body: Buffer | string;
  deadlineMs: number;
  /** Of its seal. */
  expiresAt: number;
}

/** Errors of making a connection: not a byte of the request has left. */
const NEVER_SENT: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'UND_ERR_CONNECT_TIMEOUT',
]);

function wasNeverSent(cause: unknown): boolean {
  const { code } = cause as { code?: unknown };
  return typeof code === 'string' && NEVER_SENT.has(code);
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
  if (
    code !== undefined &&
    (code === 'BUNDLE_UNAVAILABLE' || code === 'ARTIFACT_INVALID' || kindOf(code) === 'guest')
  ) {
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
