import type { ErrorRequestHandler, Request, RequestHandler, Response } from 'express';
import type { Problem } from '../core/api/problem.ts';
import { isPlatformError, PlatformError } from '../core/errors.ts';
import { isDatabaseAway } from '../platform/db/database.ts';
import type { Logger } from '../platform/logger.ts';
import { requestIdOf } from './request-id.ts';

const RETRY_AFTER_SECONDS = '1';

/** A client that goes on sending what was refused is heard for so long: closed at once, its connection could take the answer with it. */
const LINGER_MS = 5_000;

const TITLES = {
  invalid: 'The request is not valid',
  unauthenticated: 'Not authenticated',
  forbidden: 'Not allowed',
  not_found: 'Not found',
  conflict: 'In conflict with the present state',
  limit: 'Over a limit',
  guest: 'The extension failed',
  unavailable: 'Not available at the moment',
  internal: 'Internal error',
} as const;

export const refuseUnknownRoute: RequestHandler = (req) => {
  throw new PlatformError('NOT_FOUND', `there is nothing at ${req.method} ${req.path}`);
};

/** The only code that turns an error into an answer. */
export function createErrorHandler(logger: Logger): ErrorRequestHandler {
  // eslint-disable-next-line @typescript-eslint/no-unused-vars -- Express knows an error handler by its four parameters
  return (err: unknown, req, res, _next) => {
    const error = toPlatformError(err);
    const { traceId } = res.locals as { traceId?: string };
    logByKind(logger, error, { requestId: requestIdOf(res), traceId, method: req.method, path: req.path });
    if (res.headersSent) {
      res.destroy(); // the answer has begun: cutting it off is the only way left to say that it is not whole
      return;
    }
    sendProblem(res, error, { extra: runningOperation(error) });
    if (!req.complete) endSoon(req);
  };
}

function endSoon(req: Request): void {
  const timer = setTimeout(() => {
    if (!req.complete) req.socket.destroy();
  }, LINGER_MS);
  req.once('close', () => clearTimeout(timer));
}

/** `extra` holds members of a route's own, such as a publish's checks. */
export function sendProblem(
  res: Response,
  error: PlatformError,
  { status = error.status, extra = {} }: { status?: number; extra?: Record<string, unknown> } = {},
): void {
  if (status === 401) res.set('www-authenticate', 'Bearer');
  if (status === 429 || status === 503) res.set('retry-after', RETRY_AFTER_SECONDS);
  const allow = error.details['allow'];
  if (error.code === 'METHOD_NOT_ALLOWED' && typeof allow === 'string') res.set('allow', allow);
  const problem: Problem = {
    type: `urn:alga:problem:${error.code}`,
    title: TITLES[error.kind],
    status,
    detail: error.kind === 'internal' ? 'something went wrong on our side' : error.message,
    code: error.code,
    requestId: requestIdOf(res),
    ...(error.issues.length > 0 && { issues: error.issues }),
  };
  res
    .status(status)
    .type('application/problem+json')
    .send(JSON.stringify({ ...extra, ...problem }));
}

/** A 409 says what holds the install; never the digest beside it. */
function runningOperation({ code, details }: PlatformError): Record<string, unknown> {
  const { operation } = details;
  return code === 'OPERATION_RUNNING' && typeof operation === 'string' ? { running: { operation } } : {};
}

function toPlatformError(err: unknown): PlatformError {
  if (isPlatformError(err)) return err;
  if (isDatabaseAway(err)) {
    return new PlatformError('DATABASE_UNAVAILABLE', 'the database does not answer; try again', {
      cause: err,
    });
  }
  return fromBodyParser(err) ?? new PlatformError('INTERNAL', 'unexpected error', { cause: err });
}

/** body-parser and the router speak in `type` and `status`. */
function fromBodyParser(err: unknown): PlatformError | undefined {
  if (typeof err !== 'object' || err === null) return undefined;
  if ('type' in err && typeof err.type === 'string') {
    if (err.type === 'entity.parse.failed') {
      // Not the parser's message: it quotes the body, and a body may hold secrets.
      return new PlatformError(
        'INPUT_INVALID',
        'the body is not valid JSON, or its text has NUL or half a surrogate pair',
      );
    }
    if (err.type === 'entity.too.large') return new PlatformError('BODY_TOO_LARGE', 'the body is too large');
    if (err.type === 'encoding.unsupported' || err.type === 'charset.unsupported') {
      return new PlatformError('MEDIA_TYPE_UNSUPPORTED', 'the body has an encoding that is not supported');
    }
  }
  if ('status' in err && typeof err.status === 'number' && err.status >= 400 && err.status < 500) {
    return new PlatformError('INPUT_INVALID', 'the request cannot be read', { cause: err });
  }
  return undefined;
}

function logByKind(logger: Logger, error: PlatformError, fields: Record<string, unknown>): void {
  const line = { ...fields, code: error.code };
  if (error.kind === 'internal') logger.error({ ...line, err: error }, 'request failed');
  else if (error.kind === 'unavailable') logger.warn({ ...line, detail: error.message }, 'request failed');
  else logger.debug(line, 'request refused');
}
