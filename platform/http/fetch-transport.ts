import type { Transport } from '../../core/api/client.ts';
import type { SecretValue } from '../../core/secret-value.ts';

export interface FetchTransportOptions {
  /** Address of a gateway, with the path it is mounted at, if any. */
  baseUrl: string;
  /** An API key, or a credential of one of our services. */
  token: SecretValue;
  /** Of a whole call, its waiting included. */
  timeoutMs: number;
}

/** Sends what the API's client asks with `fetch`. Throws what `fetch` throws: a connection refused, a time-out. */
export function createFetchTransport({ baseUrl, token, timeoutMs }: FetchTransportOptions): Transport {
  const base = baseUrl.replace(/\/$/, '');
  return async ({ method, path, headers, body, signal }) => {
    const timeout = AbortSignal.timeout(timeoutMs);
    const response = await fetch(`${base}${path}`, {
      method,
      redirect: 'error',
      headers: { ...headers, authorization: `Bearer ${token.reveal()}` },
      ...(body !== undefined && { body: typeof body === 'string' ? body : new Uint8Array(body) }),
      signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
    });
    const requestId = response.headers.get('x-request-id') ?? undefined;
    return { status: response.status, text: await response.text(), requestId };
  };
}
