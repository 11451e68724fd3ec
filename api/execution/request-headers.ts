import type { IncomingHttpHeaders } from 'node:http';
import type { HeaderMap } from '../../core/execute.ts';

/**
 * What a guest is told of a request's headers. Never credentials, cookies or hop-by-hop headers, and no `x-` header at all: some are
 * ours, some a proxy's, and an extension could not tell who wrote them.
 */
const INWARD = [
  'accept',
  'accept-language',
  'content-language',
  'content-type',
  'if-match',
  'if-modified-since',
  'if-none-match',
  'if-unmodified-since',
  'user-agent',
];

export function inwardHeaders(headers: IncomingHttpHeaders): HeaderMap {
  return Object.fromEntries(
    INWARD.flatMap((name) => {
      const value = headers[name];
      return value === undefined ? [] : [[name, value]];
    }),
  );
}
