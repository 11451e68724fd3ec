import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { isPlatformError, PlatformError } from '../../core/errors.ts';
import { isRefusalCode } from '../../core/execute-codes.ts';
import type { RunnerAnnouncement } from '../../core/execute.ts';
import type { SecretValue } from '../../core/secret-value.ts';
import { createHttpServer, type HttpServer } from '../../platform/http/http-server.ts';
import type { Logger } from '../../platform/logger.ts';
import { bearerOf, sameSecret } from '../../platform/tokens/bearer.ts';
import type { GatewayRequest, GatewayRequests } from './gateway-requests.ts';

type Handler = (req: IncomingMessage, res: ServerResponse) => Promise<void> | void;
type GatewayHandler = (req: IncomingMessage, res: ServerResponse, request: GatewayRequest) => Promise<void>;

export interface PrivateServerDeps {
  gatewayRequests: GatewayRequests;
  execute: GatewayHandler;
  warm: GatewayHandler;
  /** Without a token nobody may read them. */
  metrics: { read: Handler; token: SecretValue | undefined };
  /** Why new executions had better go elsewhere, for whoever sends them; undefined when they had not. */
  unreadiness: () => string | undefined;
  /** What gateways may send it, beside the epoch they seal for. */
  announcement: Omit<RunnerAnnouncement, 'seal_epoch'>;
  logger: Logger;
}

const REQUEST_ID = /^[\w.:-]{1,128}$/;

/** The private listener: execute and warm for gateways, metrics with a credential of their own, health for anybody. */
export function createPrivateServer(deps: PrivateServerDeps): HttpServer {
  const gatewayRoutes: Record<string, GatewayHandler> = {
    '/v1/execute': deps.execute,
    '/v1/warm': deps.warm,
  };
  const { metrics } = deps;
  const readMetrics = (token: SecretValue): Handler => {
    return (req, res) => {
      if (!sameSecret(bearerOf(req.headers.authorization), token.reveal())) {
        throw new PlatformError('UNAUTHENTICATED', 'the credential is missing or wrong');
      }
      requireMethod(req, res, '/metrics', 'GET');
      return metrics.read(req, res);
    };
  };
  const ownRoutes: Record<string, Handler> = {
    ...(metrics.token && { '/metrics': readMetrics(metrics.token) }),
    '/healthz': (req, res) => {
      requireMethod(req, res, '/healthz', 'GET');
      sendJson(res, 200, { status: 'ok' });
    },
    '/readyz': (req, res) => {
      requireMethod(req, res, '/readyz', 'GET');
      const reason = deps.unreadiness();
      const said = { ...deps.announcement, seal_epoch: deps.gatewayRequests.epoch() };
      sendJson(res, reason === undefined ? 200 : 503, { status: reason ?? 'ready', ...said });
    },
  };

  const serve = async (req: IncomingMessage, res: ServerResponse): Promise<void> => {
    const path = (req.url ?? '').split('?', 1)[0] ?? '';
    const own = Object.hasOwn(ownRoutes, path) ? ownRoutes[path] : undefined;
    if (own) {
      await own(req, res);
      return;
    }
    const request = deps.gatewayRequests.admit(req, path);
    const handle = Object.hasOwn(gatewayRoutes, path) ? gatewayRoutes[path] : undefined;
    if (!handle) throw new PlatformError('NOT_FOUND', `no route ${path}`);
    requireMethod(req, res, path, 'POST');
    await handle(req, res, request);
  };

  return createHttpServer((req, res) => {
    serve(req, res).catch((err: unknown) => answerError(req, res, err, deps.logger));
  });
}

function requireMethod(req: IncomingMessage, res: ServerResponse, path: string, method: string): void {
  if (req.method === method) return;
  res.setHeader('allow', method);
  throw new PlatformError('METHOD_NOT_ALLOWED', `${path} takes ${method}`);
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
