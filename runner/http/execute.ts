import type { IncomingMessage, ServerResponse } from 'node:http';
import type { KeyObject } from 'node:crypto';
import { PlatformError, statusOf } from '../../core/errors.ts';
import {
  EXECUTE_FRAME_TYPE,
  executeRequest,
  MAX_REQUEST_BODY_BYTES,
  type ExecuteRequest,
  type ExecuteResponse,
} from '../../core/execute.ts';
import { decodeFrame, encodeFrame } from '../../core/execute-frame.ts';
import { parseInput } from '../../core/issues.ts';
import { traceIdOf } from '../../core/trace-context.ts';
import type { Logger } from '../../platform/logger.ts';
import {
  checkBodyAgainstClaims,
  verifySignedExecutionToken,
} from '../../platform/tokens/signed-execution-token.ts';
import { mediaType, parseJson } from './body.ts';
import type { ExecutionResult, RunExecution } from '../execution/run-execution.ts';
import { executionTokenOf, type GatewayRequest } from './gateway-requests.ts';
import { createSeenTokens } from './seen-tokens.ts';

const MIB = 1024 * 1024;
/** With the room that its frame or its base64 needs around a guest's body. */
const MAX_FRAMED_BYTES = MAX_REQUEST_BODY_BYTES + MIB;
const MAX_JSON_BYTES = Math.ceil((MAX_REQUEST_BODY_BYTES * 4) / 3) + MIB;

export interface ExecuteDeps {
  runExecution: RunExecution;
  /** Checks the execution tokens of older gateways, which do not seal what they send; without it none of them is served. */
  olderTokenKey: KeyObject | undefined;
  /** This runner's private address: the audience tokens must name. */
  audience: string;
  logger: Logger;
  now: () => number;
}

interface Input {
  request: ExecuteRequest;
  /** What it was read from: an older gateway's token covers that, and not our reading of it. */
  sent: object;
  body: Uint8Array | undefined;
  framed: boolean;
}

/** `POST /v1/execute`. Throws PlatformError for what speaks about the runner. */
export function createExecuteHandler(
  deps: ExecuteDeps,
): (req: IncomingMessage, res: ServerResponse, from: GatewayRequest) => Promise<void> {
  const refuseReplay = createSeenTokens(deps.now);

  /** What a seal says of the whole request, an older gateway's token says of parts of it. */
  async function checkToken(token: string, { request, sent }: Input): Promise<void> {
    if (!deps.olderTokenKey) throw new PlatformError('UNAUTHENTICATED', 'the request has no seal');
    const claims = await verifySignedExecutionToken(deps.olderTokenKey, token, deps.audience);
    checkBodyAgainstClaims(request, sent, claims);
    refuseReplay(claims);
  }

  return async (req, res, from) => {
    const started = performance.now();
    const input = await readInput(mediaType(req), from);
    const executionToken = executionTokenOf(req);
    if (!from.sealed) await checkToken(executionToken, input);
    const { request, body, framed } = input;

    const result = await deps.runExecution({ request, body, executionToken });
    if (!result.ok) {
      const { context } = request;
      const ids = {
        executionId: context.execution_id,
        tenantId: context.tenant_id,
        installId: context.install_id,
        traceId: traceIdOf(request.http.headers),
      };
      deps.logger.info({ ...ids, code: result.code, reason: result.message }, 'execution failed');
    }
    const { answer, bytes } = toAnswer(result, performance.now() - started);
    send(res, answer, bytes, framed);
  };
}

async function readInput(type: string, from: GatewayRequest): Promise<Input> {
  if (type === EXECUTE_FRAME_TYPE) {
    const frame = decodeFrame(await from.body(MAX_FRAMED_BYTES));
    if (frame === undefined) throw new PlatformError('INPUT_INVALID', 'the body is no execute frame');
    const { request, sent } = parseRequest(frame.head);
    if (request.http.body_b64 !== undefined) {
      throw new PlatformError('INPUT_INVALID', 'a framed request carries its body as bytes, not as body_b64');
    }
    // A frame cannot tell an empty body from none; to a guest they are the same.
    return { request, sent, body: frame.body.byteLength > 0 ? frame.body : undefined, framed: true };
  }
  if (type !== 'application/json') {
    throw new PlatformError('MEDIA_TYPE_UNSUPPORTED', `send application/json or ${EXECUTE_FRAME_TYPE}`);
  }
  const { request, sent } = parseRequest(parseJson(await from.body(MAX_JSON_BYTES)));
  const encoded = request.http.body_b64;
  const body = encoded === undefined ? undefined : Buffer.from(encoded, 'base64');
  return { request, sent, body, framed: false };
}

function parseRequest(value: unknown): Pick<Input, 'request' | 'sent'> {
  const request = parseInput(executeRequest, value, 'the body is no execute request');
  return { request, sent: value as object }; // or the schema had refused it
}

function toAnswer(
  result: ExecutionResult,
  durationMs: number,
): { answer: ExecuteResponse; bytes: Uint8Array } {
  const metrics = {
    duration_ms: durationMs,
    cpu_ms: result.cpuMs,
    fuel: result.fuel,
    memory_bytes: result.memoryBytes,
    egress_bytes: result.egressBytes,
  };
  if (result.ok) {
    const { status, headers, body } = result.response;
    return { answer: { status, headers, metrics }, bytes: body };
  }
  const { code, message, exception } = result;
  return {
    answer: {
      status: statusOf(code),
      headers: {},
      metrics,
      error: { code, message, ...(exception !== undefined && { exception }) },
    },
    bytes: new Uint8Array(),
  };
}

function send(res: ServerResponse, answer: ExecuteResponse, bytes: Uint8Array, framed: boolean): void {
  if (!framed) {
    const body = bytes.byteLength > 0 ? { body_b64: Buffer.from(bytes).toString('base64') } : {};
    res.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ ...answer, ...body }));
    return;
  }
  const frame = Buffer.concat(encodeFrame(answer, bytes));
  res.writeHead(200, { 'content-type': EXECUTE_FRAME_TYPE, 'content-length': frame.byteLength }).end(frame);
}
