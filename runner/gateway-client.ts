import { Pool } from 'undici';
import { DEADLINE_HEADER } from '../core/api/host-application.ts';
import { HOST_FRAME_TYPE } from '../core/api/host-storage.ts';
import {
  bundleTrust,
  readBundleTrust,
  readUiInstall,
  requestPrecompile,
  uiInstall,
  type BundleTrust,
  type UiInstall,
} from '../core/api/internal.ts';
import { problem } from '../core/api/problem.ts';
import { PlatformError } from '../core/errors.ts';
import { decodeFrame, encodeFrame } from '../core/execute-frame.ts';
import type { SecretValue } from '../core/secret-value.ts';
import type { Logger } from '../platform/logger.ts';
import type { CallContext, HostApi } from './capabilities/capability.ts';

/** Calls of a tenant wait their turn in the gateway, each on its connection: so many tenants can, and the next still gets one. */
const CONNECTIONS = 512;
/** What the gateway asks of others, who may be slow or frozen: no call of the gateway's own waits behind those. */
const OF_OTHERS = /^(clients|services|invoicing|ui-proxy)\//;
/** Strangers ask about UIs: host calls do not wait behind them. */
const UI_CONNECTIONS = 8;
const UI_TIMEOUT_MS = 5_000;
/** Somebody waits for the bundle to be loaded. */
const TRUST_TIMEOUT_MS = 5_000;
/** The gateway answers once Temporal has taken the request. */
const PRECOMPILE_TIMEOUT_MS = 15_000;
/** A page of an older gateway at its largest: 100 values of 64 KiB in base64, and their keys. */
const MAX_ANSWER_BYTES = 16 * 1024 * 1024;

/** Of a problem, all that a runner acts on. */
const refusal = problem.pick({ code: true, detail: true, issues: true }).partial({ detail: true });
/** Of what is wrong, as guests are told. */
const MAX_DETAIL_CHARACTERS = 1_000;

export interface GatewayClient extends HostApi {
  /** Undefined if no install's UI may be served from this hash. Throws GATEWAY_UNAVAILABLE. */
  uiInstall(extensionId: string, contentHash: string): Promise<UiInstall | undefined>;
  /** What is trusted, and of a bundle. Throws GATEWAY_UNAVAILABLE. */
  bundleTrust(contentHash: string): Promise<BundleTrust>;
  /** Has the artifact made for the target, if that is not under way. Throws GATEWAY_UNAVAILABLE unless it was taken. */
  requestPrecompile(contentHash: string, target: string): Promise<void>;
  close(): Promise<void>;
}

interface Answer {
  status: number;
  body: unknown;
  /** Those after the head of a framed answer. */
  bytes?: Uint8Array;
}

interface Init {
  method: 'GET' | 'POST';
  headers?: Record<string, string>;
  body?: string | Uint8Array;
  signal: AbortSignal;
}

export function createGatewayClient(
  options: { baseUrl: string; token: SecretValue },
  logger: Logger,
): GatewayClient {
  const base = new URL(options.baseUrl);
  const prefix = base.pathname.replace(/\/$/, '');
  const pool = new Pool(base.origin, { connections: CONNECTIONS, maxResponseSize: MAX_ANSWER_BYTES });
  const othersPool = new Pool(base.origin, { connections: CONNECTIONS, maxResponseSize: MAX_ANSWER_BYTES });
  const uiPool = new Pool(base.origin, { connections: UI_CONNECTIONS, maxResponseSize: MAX_ANSWER_BYTES });
  const authorization = `Bearer ${options.token.reveal()}`;

  const request = async (path: string, init: Init, through = pool): Promise<Answer> => {
    let status: number;
    let framed: boolean;
    let bytes: Uint8Array;
    try {
      const { headers, ...rest } = init;
      const answer = await through.request({
        ...rest,
        path: `${prefix}${path}`,
        headers: { accept: 'application/json', ...headers, authorization },
      });
      status = answer.statusCode;
      framed = answer.headers['content-type'] === HOST_FRAME_TYPE;
      bytes = await answer.body.bytes();
    } catch (cause) {
      throw new PlatformError('GATEWAY_UNAVAILABLE', `the gateway did not answer ${path}`, { cause });
    }
    if (framed) return { status, ...parseFrame(bytes, path) };
    return { status, body: bytes.byteLength === 0 ? {} : parseJson(bytes, path) };
  };

  return {
    async call(path: string, body: unknown, call: CallContext, bytes?: Uint8Array) {
      const { executionToken, signal } = call;
      const init: Init = {
        method: 'POST',
        headers: {
          'content-type': bytes ? HOST_FRAME_TYPE : 'application/json',
          accept: `${HOST_FRAME_TYPE}, application/json;q=0.5`,
          'x-execution-token': executionToken,
          [DEADLINE_HEADER]: String(Math.max(1, Math.floor(call.timeLeftMs()))),
        },
        body: bytes ? Buffer.concat(encodeFrame(body, bytes)) : JSON.stringify(body),
        signal,
      };
      let reply: Answer;
      try {
        reply = await request(`/api/internal/host/${path}`, init, OF_OTHERS.test(path) ? othersPool : pool);
      } catch (err) {
        // At its deadline nobody waits for the answer any more.
        if (!signal.aborted) logger.warn({ err, path }, 'host call did not reach the gateway');
        return { code: 'GATEWAY_UNAVAILABLE' };
      }
      const { status, ...answer } = reply;
      if (status >= 200 && status < 300) return answer;
      return refusalOf(answer.body);
    },
    async uiInstall(extensionId, contentHash) {
      const query = new URLSearchParams({ extensionId, contentHash });
      const signal = AbortSignal.timeout(UI_TIMEOUT_MS);
      const path = `${readUiInstall.path}?${query.toString()}`;
      const { status, body } = await request(path, { method: 'GET', signal }, uiPool);
      if (status === 404) return undefined;
      const parsed = uiInstall.safeParse(body);
      if (status === 200 && parsed.success) return parsed.data;
      throw new PlatformError('GATEWAY_UNAVAILABLE', `the gateway answered ${status} about a UI`);
    },
    async bundleTrust(contentHash) {
      const query = new URLSearchParams({ contentHash });
      const signal = AbortSignal.timeout(TRUST_TIMEOUT_MS);
      const path = `${readBundleTrust.path}?${query.toString()}`;
      const { status, body } = await request(path, { method: 'GET', signal });
      const parsed = bundleTrust.safeParse(body);
      if (status === 200 && parsed.success) return parsed.data;
      throw new PlatformError('GATEWAY_UNAVAILABLE', `the gateway answered ${status} about trust`);
    },
    async requestPrecompile(contentHash, target) {
      const { status, body } = await request(requestPrecompile.path, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ contentHash, target }),
        signal: AbortSignal.timeout(PRECOMPILE_TIMEOUT_MS),
      });
      if (status === 202) return;
      const { code = 'no code' } = refusal.safeParse(body).data ?? {};
      throw new PlatformError(
        'GATEWAY_UNAVAILABLE',
        `the gateway answered ${status} (${code}) to a precompile`,
      );
    },
    async close() {
      await Promise.all([pool.close(), othersPool.close(), uiPool.close()]);
    },
  };
}

function refusalOf(body: unknown): { code: string; detail?: string } {
  const { data } = refusal.safeParse(body);
  if (!data) return { code: 'INTERNAL' };
  const { code, issues, detail } = data;
  const said = issues?.map(({ path, message }) => `${path}: ${message}`).join('; ') ?? detail;
  return { code, ...(said !== undefined && { detail: said.slice(0, MAX_DETAIL_CHARACTERS) }) };
}

function parseFrame(bytes: Uint8Array, path: string): Pick<Answer, 'body' | 'bytes'> {
  const frame = decodeFrame(bytes);
  if (!frame) throw new PlatformError('GATEWAY_UNAVAILABLE', `what answered ${path} sent no frame`);
  return { body: frame.head, bytes: frame.body };
}

function parseJson(bytes: Uint8Array, path: string): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    // Not the parser's message: it quotes the answer, which may hold a guest's records.
    throw new PlatformError('GATEWAY_UNAVAILABLE', `what answered ${path} speaks no JSON`);
  }
}
