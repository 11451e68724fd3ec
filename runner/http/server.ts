import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { isPlatformError, PlatformError } from '../../core/errors.ts';
import { isRefusalCode } from '../../core/execute-codes.ts';
import type { RunnerAnnouncement } from '../../core/execute.ts';
import type { SecretValue } from '../../core/secret-value.ts';
import { createHttpServer, type HttpServer } from '../../platform/http/http-server.ts';
import type { Logger } from '../../platform/logger.ts';
import { bearerOf, sameSecret } from '../../platform/tokens/bearer.ts';

type Handler = (req: IncomingMessage, res: ServerResponse) => Promise<void> | void;

export interface PrivateServerDeps {
  /** What callers present. */
  serviceToken: SecretValue;
  execute: Handler;
  warm: Handler;
  /** Without a token nobody may read them. */
  metrics: { read: Handler; token: SecretValue | undefined };
  /** Why new executions had better go elsewhere, for whoever sends them; undefined when they had not. */
  unreadiness: () => string | undefined;
  /** What gateways may send it. */
  announcement: RunnerAnnouncement;
  logger: Logger;
}

const REQUEST_ID = /^[\w.:-]{1,128}$/;

/** The private listener: execute and warm with the service credential, metrics with one of their own, health without. */
export function createPrivateServer(deps: PrivateServerDeps): HttpServer {
  const { metrics } = deps;
  const routes: Record<string, { method: string; open?: true; token?: SecretValue; handle: Handler }> = {
    ...(metrics.token && { '/metrics': { method: 'GET', token: metrics.token, handle: metrics.read } }),
    '/v1/execute': { method: 'POST', handle: deps.execute },
    '/v1/warm': { method: 'POST', handle: deps.warm },
    '/healthz': { method: 'GET', open: true, handle: (_req, res) => sendJson(res, 200, { status: 'ok' }) },
    '/readyz': {
      method: 'GET',
      open: true,
      handle: (_req, res) => {
        const reason = deps.unreadiness();
        sendJson(res, reason === undefined ? 200 : 503, { status: reason ?? 'ready', ...deps.announcement });
      },
    },
  };

  const serve = async (req: IncomingMessage, res: ServerResponse): Promise<void> => {
    const path = (req.url ?? '').split('?', 1)[0] ?? '';
    const route = Object.hasOwn(routes, path) ? routes[path] : undefined;
    if (
      route?.open !== true &&
      !sameSecret(bearerOf(req.headers.authorization), (route?.token ?? deps.serviceToken).reveal())
    ) {
      throw new PlatformError('UNAUTHENTICATED', 'the credential is missing or wrong');
    }
    if (route === undefined) throw new PlatformError('NOT_FOUND', `no route ${path}`);
    if (req.method !== route.method) {
      res.setHeader('allow', route.method);
      throw new PlatformError('METHOD_NOT_ALLOWED', `${path} takes ${route.method}`);
    }
    await route.handle(req, res);
  };

  return createHttpServer((req, res) => {
    serve(req, res).catch((err: unknown) => answerError(req, res, err, deps.logger));
  });
}

export function sendJson(res: ServerResponse, status: number, body: unknown): void {
  res.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

function answerError(req: IncomingMessage, res: ServerResponse, err: unknown, logger: Logger): void {
  const given = req.headers['x-request-id'];
  const requestId = typeof given === 'string' && REQUEST_ID.test(given) ? given : randomUUID();
  const known =
    isPlatformError(err) && isRefusalCode(err.code)
      ? err
      : new PlatformError('INTERNAL', 'internal error', { cause: err });
  if (known.kind === 'internal') logger.error({ err, requestId }, 'request failed');
  if (res.headersSent) {
    res.destroy();
    return;
  }
  const { code, status, issues } = known;
  // What is left of an unread body would be taken for the next request.
  if (!req.complete) res.setHeader('connection', 'close');
  if (known.kind === 'limit' || known.kind === 'unavailable') res.setHeader('retry-after', '1');
  res.writeHead(status, { 'content-type': 'application/problem+json' }).end(
    JSON.stringify({
      type: 'about:blank',
      title: code,
      status,
      detail: known.kind === 'internal' ? 'internal error' : known.message,
      code,
      requestId,
      ...(issues.length > 0 && { issues }),
    }),
  );
}
