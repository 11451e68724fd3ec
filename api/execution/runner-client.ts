import { Pool, type Dispatcher } from 'undici';
import { z } from 'zod';
import { isErrorCode, PlatformError } from '../../core/errors.ts';
import {
  EXECUTE_FRAME_TYPE,
  executeResponse,
  type ExecuteRequest,
  type ExecuteResponse,
} from '../../core/execute.ts';
import { decodeFrame, encodeFrame } from '../../core/execute-frame.ts';
import type { SecretValue } from '../../core/secret-value.ts';

const CONNECTIONS = 256;
/** The runner stops the guest at its deadline and says so; this is for the way there and back. */
const TRANSPORT_MS = 2_000;
const WARM_DEADLINE_MS = 55_000;
/** A guest's largest response body, and room for its head. */
const MAX_ANSWER_BYTES = 33 * 1024 * 1024;

const problem = z.object({ code: z.string() });

export interface RunnerAnswer {
  answer: ExecuteResponse;
  body: Uint8Array;
}

/** Errors, all about the runner and not the guest: RUNNER_BUSY, RUNNER_UNAVAILABLE, CONCURRENCY_LIMITED, GUEST_TIMEOUT. */
export interface RunnerClient {
  execute(request: ExecuteRequest, body: Uint8Array, token: string): Promise<RunnerAnswer>;
  /** Also throws what kept the version from being loaded: BUNDLE_UNAVAILABLE, ARTIFACT_INVALID. */
  warm(version: { tenantId: string; contentHash: string }): Promise<void>;
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

  async function post(
    path: string,
    headers: Record<string, string>,
    body: Buffer | string,
    deadlineMs: number,
  ): Promise<{ response: Dispatcher.ResponseData; bytes: Uint8Array }> {
    const signal = AbortSignal.timeout(deadlineMs);
    try {
      const response = await pool.request({
        method: 'POST',
        path: `${prefix}${path}`,
        headers: { ...headers, authorization },
        body,
        signal,
      });
      return { response, bytes: await response.body.bytes() };
    } catch (cause) {
      // 504 and not 503: whether the guest did its work is unknown, so nobody should be told to try again.
      if (signal.aborted) {
        throw new PlatformError('GUEST_TIMEOUT', 'the extension did not answer in time', { cause });
      }
      throw new PlatformError('RUNNER_UNAVAILABLE', 'the runner did not answer; try again', { cause });
    }
  }

  return {
    async execute(request, body, token) {
      const { response, bytes } = await post(
        '/v1/execute',
        { 'content-type': EXECUTE_FRAME_TYPE, 'x-execution-token': token },
        Buffer.concat(encodeFrame(request, body)),
        request.limits.timeout_ms + TRANSPORT_MS,
      );
      if (response.statusCode !== 200) throw refusal(response.statusCode, bytes);
      const frame = decodeFrame(bytes);
      const answer = executeResponse.safeParse(frame?.head);
      if (!frame || !answer.success) {
        throw new PlatformError('RUNNER_UNAVAILABLE', 'the runner gave an answer that is none');
      }
      return { answer: answer.data, body: frame.body };
    },

    async warm({ tenantId, contentHash }) {
      const { response, bytes } = await post(
        '/v1/warm',
        { 'content-type': 'application/json' },
        JSON.stringify({ tenant_id: tenantId, content_hash: contentHash }),
        WARM_DEADLINE_MS,
      );
      if (response.statusCode !== 200) throw refusal(response.statusCode, bytes);
    },

    close: () => pool.close(),
  };
}

/** A refusal we caused (a wrong credential, a body that is none) is our bug and becomes INTERNAL. */
function refusal(status: number, bytes: Uint8Array): PlatformError {
  const details = { runnerStatus: status, runnerCode: problemCode(bytes) };
  const { runnerCode: code } = details;
  if (code === 'BUNDLE_UNAVAILABLE' || code === 'ARTIFACT_INVALID') {
    return new PlatformError(code, 'the runner could not load the version', { details });
  }
  if (status === 429) {
    return new PlatformError('CONCURRENCY_LIMITED', 'too many executions at once; try again', { details });
  }
  if (status === 503) return new PlatformError('RUNNER_BUSY', 'the runner is busy; try again', { details });
  return new PlatformError('INTERNAL', `the runner refused with ${status} ${code ?? ''}`, { details });
}

function problemCode(bytes: Uint8Array): string | undefined {
  try {
    const { code } = problem.parse(JSON.parse(Buffer.from(bytes).toString('utf8')));
    return isErrorCode(code) ? code : undefined;
  } catch {
    return undefined; // not one of our problems: the status alone speaks
  }
}
