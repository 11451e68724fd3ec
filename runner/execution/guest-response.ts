import { validateHeaderName, validateHeaderValue } from 'node:http';
import type { HeaderMap } from '../../core/execute.ts';
import { MAX_RESPONSE_HEADER_BYTES, MAX_RESPONSE_HEADERS } from '../sandbox/said-limits.ts';

/** Statuses that carry no body. */
const BODILESS = [204, 205, 304];

export interface CheckedResponse {
  status: number;
  headers: HeaderMap;
  body: Uint8Array;
}

interface GuestAnswer {
  status: number;
  headers: readonly { name: string; value: string }[];
  body?: Uint8Array | undefined;
}

export interface ResponseFault {
  code: 'GUEST_ERROR' | 'GUEST_RESPONSE_TOO_LARGE';
  fault: string;
}

/** A guest's answer as an HTTP response that any client can be given, or why it is none. Repeated headers become lists. */
export function checkResponse(answer: GuestAnswer, maxBytes: number): CheckedResponse | ResponseFault {
  const { status, headers, body = new Uint8Array() } = answer;
  if (!Number.isInteger(status) || status < 200 || status > 599) {
    return { code: 'GUEST_ERROR', fault: `${status} is no status of a final response` };
  }
  if (body.byteLength > maxBytes) {
    return { code: 'GUEST_RESPONSE_TOO_LARGE', fault: `the response body is over ${maxBytes} bytes` };
  }
  if (body.byteLength > 0 && BODILESS.includes(status)) {
    return { code: 'GUEST_ERROR', fault: `a ${status} response has a body` };
  }
  const size = headers.reduce((sum, { name, value }) => sum + name.length + value.length, 0);
  if (headers.length > MAX_RESPONSE_HEADERS || size > MAX_RESPONSE_HEADER_BYTES) {
    return { code: 'GUEST_RESPONSE_TOO_LARGE', fault: 'too many or too long headers' };
  }
  const map = new Map<string, string | string[]>();
  for (const [at, { name, value }] of headers.entries()) {
    try {
      validateHeaderName(name);
      validateHeaderValue(name, value);
    } catch {
      // Not quoted: it may hold a secret, and ends up in our log.
      const fault = `header ${at + 1} of ${headers.length} has a name or value HTTP does not allow`;
      return { code: 'GUEST_ERROR', fault };
    }
    const key = name.toLowerCase();
    const before = map.get(key);
    map.set(key, before === undefined ? value : [before, value].flat());
  }
  return { status, headers: Object.fromEntries(map), body };
}
