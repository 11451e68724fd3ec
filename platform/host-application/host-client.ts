import { setTimeout as delay } from 'node:timers/promises';
import { Pool } from 'undici';
import { isPlatformError, PlatformError, type ErrorCode } from '../../core/errors.ts';
import { createBoundedTurns } from '../bounded-turns.ts';
import type { Logger } from '../logger.ts';
import { createSharedPlaces } from '../shared-places.ts';

/** Requests of one tenant, and of all: a host application that has frozen holds no more than these. */
const OF_TENANT = { atOnce: 4, waiting: 64 };
const MAX_REQUESTS = 64;
/** After an answer that took a millisecond to read, its place rests so many times as long: with all places of a tenant reading, half of a core. */
const RESTS = 2 * OF_TENANT.atOnce - 1;
const CONNECT_TIMEOUT_MS = 5_000;
/** Of the guest's time, so that it hears of a failure before its own deadline: a tenth, and no more than this. */
const MAX_RESERVE_MS = 500;
/** Of the body of an error, so that its connection can be used again. */
const ERROR_BYTES = 64 * 1024;
/** A failing host application is a line of log this often. */
const WARN_EVERY_MS = 10_000;

/** Where nothing of a request has left. */
const NOT_SENT = [
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'UND_ERR_CONNECT_TIMEOUT',
];

/** What a status says of the request; any other that is no 200 leaves it open. */
const REFUSALS = new Map<number, ErrorCode>([
  [400, 'HOST_INPUT_REFUSED'],
  [413, 'HOST_INPUT_REFUSED'],
  [415, 'HOST_INPUT_REFUSED'],
  [422, 'HOST_INPUT_REFUSED'],
  [403, 'HOST_APPLICATION_REFUSED'],
  [404, 'HOST_ROUTE_MISSING'],
  [401, 'HOST_APPLICATION_UNAVAILABLE'],
  [405, 'HOST_APPLICATION_UNAVAILABLE'],
  [429, 'HOST_APPLICATION_UNAVAILABLE'],
]);

export interface HostRequest {
  headers: Record<string, string>;
  body?: string | Uint8Array;
}

export interface HostAsk<Answer> {
  tenantId: string;
  /** Below the base URL, canonical. */
  path: string;
  /** Of the guest's time. */
  leftMs: number;
  /** Aborts when nobody waits for the answer any more. */
  gone: AbortSignal;
  /** Runs once it is the tenant's turn, before anything is sent; what it throws is thrown. Milliseconds are what is left by then. */
  prepare: (leftMs: number) => Promise<HostRequest>;
  /** What it makes of the body of a 200, in the tenant's turn. */
  read: (body: Uint8Array) => Answer;
}

export interface HostClient {
  /** As it was configured, without a slash at its end. */
  readonly baseUrl: string;
  /**
   * What was read of a 200. Throws HOST_INPUT_REFUSED, HOST_APPLICATION_REFUSED and HOST_ROUTE_MISSING; CONCURRENCY_LIMITED and
   * HOST_APPLICATION_UNAVAILABLE where nothing was done; HOST_APPLICATION_FAILED where that is not known. Nothing of what the host application
   * says beside is in them. A request whose answer is lost is sent once more, in the same words.
   */
  post<Answer>(ask: HostAsk<Answer>): Promise<Answer>;
  /** Logs that an answer was of no use; `why` holds nothing of it. */
  warn(path: string, why: string): void;
  close(): Promise<void>;
}

/** Asks what an operator configured, on behalf of guests. */
export function createHostClient(
  options: { baseUrl: string; timeoutMs: number; maxAnswerBytes: number },
  logger: Logger,
): HostClient {
  const base = new URL(options.baseUrl);
  const prefix = base.pathname.replace(/\/$/, '');
  const pool = new Pool(base.origin, {
    connections: MAX_REQUESTS,
    maxResponseSize: options.maxAnswerBytes,
    connect: { timeout: CONNECT_TIMEOUT_MS },
  });
  const ofTenant = createBoundedTurns(OF_TENANT);
  const ofAll = createSharedPlaces({ own: 0, shared: MAX_REQUESTS, ...OF_TENANT });
  const warn = createWarnings(logger);

  async function send(
    path: string,
    { headers, body }: HostRequest,
    signal: AbortSignal,
  ): Promise<Uint8Array> {
    const { statusCode, body: answer } = await pool.request({
      method: 'POST',
      path: `${prefix}${path}`,
      headers,
      body: body ?? null,
      signal,
    });
    if (statusCode === 200) return answer.bytes();
    // None of it is a guest's to know, and the status has said it all, whatever becomes of the rest.
    await answer.dump({ limit: ERROR_BYTES }).catch(() => undefined);
    const code = REFUSALS.get(statusCode) ?? 'HOST_APPLICATION_FAILED';
    if (code !== 'HOST_INPUT_REFUSED') warn(path, `it answered ${statusCode}`);
    throw new PlatformError(code, `the host application answered ${statusCode}`);
  }

  async function sendTwice(path: string, request: HostRequest, signal: AbortSignal): Promise<Uint8Array> {
    let wasSent = false;
    for (let isLast = false; ; isLast = true) {
      try {
        return await send(path, request, signal);
      } catch (cause) {
        const isLate = cause === signal.reason;
        if (isPlatformError(cause) && !isLate) throw cause;
        const reason = isLate ? 'timeout' : codeOf(cause);
        wasSent ||= !NOT_SENT.includes(reason);
        if (!isLast && !signal.aborted && reason !== 'UND_ERR_RES_EXCEEDED_MAX_SIZE') continue;
        warn(path, `no answer: ${reason}`);
        throw wasSent
          ? new PlatformError('HOST_APPLICATION_FAILED', 'the answer of the host application was lost', {
              cause,
            })
          : new PlatformError('HOST_APPLICATION_UNAVAILABLE', 'the host application was not reached', {
              cause,
            });
      }
    }
  }

  return {
    baseUrl: options.baseUrl.replace(/\/$/, ''),
    async post({ tenantId, path, leftMs, gone, prepare, read }) {
      const until =
        performance.now() + Math.min(options.timeoutMs, leftMs - Math.min(MAX_RESERVE_MS, leftMs / 10));
      const late = new AbortController();
      const timer = setTimeout(() => late.abort(tooLate()), until - performance.now());
      const signal = AbortSignal.any([gone, late.signal]);
      try {
        return await ofTenant.run(tenantId, signal, async () => {
          const request = await prepare(Math.max(1, Math.round(until - performance.now())));
          const body = await ofAll.run(tenantId, signal, () => sendTwice(path, request, signal));
          const began = performance.now();
          const answer = read(body);
          // Reading a large one took this process from everybody's calls: most of the time is theirs.
          const restMs = RESTS * (performance.now() - began);
          if (restMs > RESTS) await delay(Math.min(restMs, Math.max(0, until - performance.now())));
          return answer;
        });
      } finally {
        clearTimeout(timer);
      }
    },
    warn,
    close: () => pool.destroy(),
  };
}

function tooLate(): PlatformError {
  return new PlatformError(
    'HOST_APPLICATION_UNAVAILABLE',
    'its time was over before it was the turn of the call',
  );
}

function codeOf(cause: unknown): string {
  const { code, name } = cause as { code?: unknown; name?: unknown };
  return typeof code === 'string' ? code : String(name);
}

function createWarnings(logger: Logger): HostClient['warn'] {
  let silentUntil = 0;
  let unsaid = 0;
  return (path, why) => {
    if (performance.now() < silentUntil) {
      unsaid += 1;
      return;
    }
    logger.warn({ path, why, ...(unsaid > 0 && { unsaid }) }, 'the host application is of no use');
    silentUntil = performance.now() + WARN_EVERY_MS;
    unsaid = 0;
  };
}
