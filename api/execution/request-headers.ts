import type { IncomingMessage } from 'node:http';
import type { HeaderMap } from '../../core/execute.ts';

/**
 * What every guest is told of a request's headers. Never credentials, cookies or hop-by-hop headers, and no `x-` header: some are ours,
 * some a proxy's, and an extension could not tell who wrote them. An endpoint can ask for others, but for those that `core/request-header.ts`
 * withholds from all.
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

type WithHeaders = Pick<IncomingMessage, 'headers' | 'headersDistinct'>;

/** The headers of a request that a guest is given, with `more` that its endpoint may have; a list where a name comes several times. */
export function inwardHeaders(req: WithHeaders, more: readonly string[]): HeaderMap {
  const headers: HeaderMap = {};
  for (const name of INWARD) take(req, name, headers);
  for (const name of more) take(req, name, headers);
  return headers;
}

function take(req: WithHeaders, name: string, into: HeaderMap): void {
  const value = req.headers[name];
  if (value === undefined) return;
  // Node has joined what comes several times, and kept the first of what may come once; to look is dear.
  const several = typeof value === 'string' && value.includes(', ') ? req.headersDistinct[name] : undefined;
  into[name] = several && several.length > 1 ? several : value;
}
