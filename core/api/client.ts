import { ApiError } from './api-error.ts';
import { problem } from './problem.ts';
import type { AnswerOf, RequestOf, Route } from './route.ts';

/** A request as a transport sends it: credentials and the server's address are the transport's. */
export interface WireRequest {
  method: Route['method'];
  /** With its query. */
  path: string;
  headers: Record<string, string>;
  body?: string | Uint8Array;
  signal?: AbortSignal;
}

export interface WireAnswer {
  status: number;
  text: string;
  /** `x-request-id`. */
  requestId?: string | undefined;
}

/** Does the I/O. What it throws reaches the caller as it is. */
export type Transport = (request: WireRequest) => Promise<WireAnswer>;

export interface CallOptions {
  /** Seconds to wait for the end of the work (`Prefer: wait`), at most 60. */
  wait?: number;
  idempotencyKey?: string;
  /** Gives the call up. */
  signal?: AbortSignal;
}

/** Calls a route. Throws ApiError for a problem, and for an answer that is none of the route's. */
export type ApiClient = <R extends Route>(
  route: R,
  request: RequestOf<R>,
  options?: CallOptions,
) => Promise<AnswerOf<R>>;

interface Parts {
  params?: Record<string, string>;
  query?: Record<string, string | number | undefined>;
  body?: unknown;
}

/** A client of every route in `routes.ts`, over any transport. */
export function createApiClient(send: Transport): ApiClient {
  return async <R extends Route>(route: R, request: RequestOf<R>, options: CallOptions = {}) => {
    const answer = await send(wireRequest(route, request as Parts, options));
    return readAnswer(route, answer) as AnswerOf<R>;
  };
}

function wireRequest(
  { method, path }: Route,
  { params = {}, query = {}, body }: Parts,
  { wait, idempotencyKey, signal }: CallOptions,
): WireRequest {
  const filled = path.replace(/\{(\w+)\}/g, (_braced, name: string) =>
    encodeURIComponent(params[name] ?? ''),
  );
  const given = Object.entries(query).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, String(value)]],
  );
  const search = new URLSearchParams(given).toString();
  const isBytes = body instanceof Uint8Array;
  return {
    method,
    path: search === '' ? filled : `${filled}?${search}`,
    headers: {
      accept: 'application/json',
      ...(body !== undefined && {
        'content-type': isBytes ? 'application/octet-stream' : 'application/json',
      }),
      ...(wait !== undefined && { prefer: `wait=${wait}` }),
      ...(idempotencyKey !== undefined && { 'idempotency-key': idempotencyKey }),
    },
    ...(body !== undefined && { body: isBytes ? body : JSON.stringify(body) }),
    ...(signal && { signal }),
  };
}

function readAnswer(
  route: Route,
  { status, text, requestId }: WireAnswer,
): { status: number; body: unknown } {
  const body = route.line && status < 400 ? parseLines(text) : parseJson(text);
  const schema = route.answers[status];
  if (schema) {
    const parsed = schema.safeParse(body);
    if (parsed.success) return { status, body: parsed.data };
  }
  const refusal = status >= 400 ? (route.problem ?? problem).safeParse(body) : undefined;
  if (refusal?.success) throw new ApiError(refusal.data, status);
  // A proxy before the server, or another server altogether; what it says is not quoted: it may echo what was sent.
  throw new ApiError(
    {
      code: 'ANSWER_INVALID',
      detail: `${route.method} ${route.path} answered ${status} with something that is none of its answers`,
      requestId,
    },
    status,
  );
}

/** Undefined if a line is cut off. */
function parseLines(text: string): unknown[] | undefined {
  const lines = text
    .split('\n')
    .filter((line) => line !== '')
    .map(parseJson);
  return lines.includes(undefined) ? undefined : lines;
}

function parseJson(text: string): unknown {
  try {
    return text === '' ? undefined : JSON.parse(text);
  } catch {
    return undefined;
  }
}
