import type { Dispatcher } from 'undici';

export interface ExchangeRequest {
  method: Dispatcher.HttpMethod;
  path: string;
  headers: Record<string, string>;
  body?: Uint8Array | string;
}

export interface Exchanged {
  statusCode: number;
  /** Whether the other side closes the connection with it. */
  closes: boolean;
  bytes: Buffer;
}

/** Not a byte of the request has left: there was no connection, or none became free. */
export class NeverSentError extends Error {
  override readonly name = 'NeverSentError';
}

/**
 * One request and its whole answer, without the streams that undici's own `request` makes: they cost more than all else that the client
 * does. Rejects with what undici says, and after the deadline with a TimeoutError, either as the cause of a NeverSentError where that is so;
 * the bound of the answer is the dispatcher's.
 */
export function exchange(
  dispatcher: Dispatcher,
  { method, path, headers, body }: ExchangeRequest,
  deadlineMs: number,
): Promise<Exchanged> {
  const { promise, resolve, reject } = Promise.withResolvers<Exchanged>();
  let controller: Dispatcher.DispatchController | undefined; // from when it is sent
  let late: DOMException | undefined;
  const fail = (cause: unknown): void => {
    clearTimeout(timer);
    reject(controller ? cause : new NeverSentError('the request was never sent', { cause }));
  };
  const timer = setTimeout(() => {
    late = new DOMException('there was no answer in time', 'TimeoutError');
    fail(late); // also one that waits for a connection, and is refused when it gets one
    controller?.abort(late);
  }, deadlineMs);
  let statusCode = 0;
  let closes = false;
  const chunks: Buffer[] = [];
  dispatcher.dispatch(
    { method, path, headers, body: body ?? null },
    {
      onRequestStart(started) {
        if (late) started.abort(late);
        else controller = started;
      },
      onResponseStart(_controller, status, headers) {
        statusCode = status;
        closes = headers['connection'] === 'close';
      },
      onResponseData(_controller, chunk) {
        chunks.push(chunk);
      },
      onResponseEnd() {
        clearTimeout(timer);
        const [only] = chunks;
        resolve({ statusCode, closes, bytes: only && chunks.length === 1 ? only : Buffer.concat(chunks) });
      },
      onResponseError(_controller, err) {
        fail(err);
      },
    },
  );
  return promise;
}
