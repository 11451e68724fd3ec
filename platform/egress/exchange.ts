import { isPlatformError, PlatformError } from '../../core/errors.ts';
import { codeOf } from './code-of.ts';
import type { Connection } from './connections.ts';
import type { Header, Message } from './message.ts';

export interface EgressResponse {
  status: number;
  /** As sent, but for those of the connection; names in lower case. */
  headers: readonly Header[];
  /** As sent: nothing is decompressed. */
  body: Uint8Array;
}

export interface ExchangeOptions {
  signal: AbortSignal;
  /** Of the answer's body at most. */
  maxBytes: number;
  /** Told of each piece before it is kept; throws to stop. */
  onBytes: (bytes: number) => void;
}

const MAX_RESPONSE_HEADERS = 200;
const MAX_INFORMATIONAL = 16;
/** What may come beside the body: heads, sizes of chunks, trailers, and what TLS adds. */
const FRAMING_BYTES = 1024 * 1024;
const LOOK_MS = 100;

const OF_CONNECTION = new Set(['connection', 'keep-alive', 'transfer-encoding', 'upgrade', 'trailer', 'te']);

const failed = (message: string, cause?: unknown): PlatformError =>
  new PlatformError('EGRESS_FAILED', message, { cause });

/** One request and its answer, on a connection that is closed if either does not end as it should. Throws EGRESS_FAILED; what the signal throws. */
export async function exchange(
  { client, socket }: Connection,
  { method, headers, body }: Message,
  path: string,
  { signal, maxBytes, onBytes }: ExchangeOptions,
): Promise<EgressResponse> {
  const stop = new AbortController();
  const aborted = AbortSignal.any([signal, stop.signal]);
  const readBefore = socket.bytesRead;
  let informational = 0;
  // What no handler hears of, such as extensions of chunks: the deadline may be minutes away.
  const look = setInterval(() => {
    if (socket.bytesRead - readBefore > maxBytes + FRAMING_BYTES) stop.abort(failed('it sends without end'));
  }, LOOK_MS);
  try {
    const answer = await client.request({
      method,
      path,
      headers: headers.flatMap(({ name, value }) => [name, value]),
      body: body ?? null,
      signal: aborted,
      responseHeaders: 'raw',
      // A server that does not expect a body there would take it for the next request.
      reset: body !== undefined && (method === 'GET' || method === 'HEAD'),
      onInfo: () => {
        informational += 1;
        if (informational > MAX_INFORMATIONAL)
          stop.abort(failed('it sends informational answers without end'));
      },
    });
    const received = responseHeaders(answer.headers as unknown as string[]);
    const pieces: Uint8Array[] = [];
    let bytes = 0;
    for await (const piece of answer.body as AsyncIterable<Uint8Array>) {
      bytes += piece.byteLength;
      if (bytes > maxBytes) throw failed(`its answer is larger than ${maxBytes} bytes`);
      onBytes(piece.byteLength);
      pieces.push(piece);
    }
    return { status: answer.statusCode, headers: received, body: Buffer.concat(pieces) };
  } catch (err) {
    socket.destroy();
    signal.throwIfAborted();
    if (stop.signal.aborted) throw stop.signal.reason as Error;
    throw isPlatformError(err) ? err : failed(`no whole answer (${codeOf(err)})`, err);
  } finally {
    clearInterval(look);
  }
}

function responseHeaders(raw: readonly string[]): Header[] {
  if (raw.length > 2 * MAX_RESPONSE_HEADERS) {
    throw failed(`its answer has more than ${MAX_RESPONSE_HEADERS} headers`);
  }
  const headers: Header[] = [];
  for (let at = 0; at < raw.length; at += 2) {
    const name = (raw[at] as string).toLowerCase();
    if (!OF_CONNECTION.has(name)) headers.push({ name, value: raw[at + 1] as string });
  }
  return headers;
}
