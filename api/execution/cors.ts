import type { RequestHandler } from 'express';

const EXPOSED = [
  ...['allow', 'content-disposition', 'etag', 'link', 'location', 'retry-after'],
  ...['x-execution-id', 'x-ext-config-version', 'x-ext-secrets-version', 'x-request-id'],
].join(', ');

/** Names of headers, as browsers list them. */
const NAMES = /^[a-z0-9-]+(?:, ?[a-z0-9-]+)*$/i;

/**
 * Lets pages of these origins call, with a key that they show themselves: never with what a browser adds of its own (credentials). Goes before
 * authentication, which preflights lack; of other origins it says nothing. What a page may send, the gateway decides when it comes.
 */
export function allowOrigins(origins: readonly string[]): RequestHandler {
  const allowed = new Set(origins);
  return (req, res, next) => {
    res.vary('origin');
    const {
      origin,
      'access-control-request-method': method,
      'access-control-request-headers': names,
    } = req.headers;
    if (origin === undefined || !allowed.has(origin)) {
      next();
      return;
    }
    res.set('access-control-allow-origin', origin);
    if (req.method !== 'OPTIONS' || method === undefined) {
      res.set('access-control-expose-headers', EXPOSED);
      next();
      return;
    }
    res.vary('access-control-request-headers');
    res.set('access-control-allow-methods', 'GET, HEAD, POST, PUT, PATCH, DELETE');
    if (names !== undefined && NAMES.test(names)) res.set('access-control-allow-headers', names);
    res.set('access-control-max-age', '600').status(204).end();
  };
}
