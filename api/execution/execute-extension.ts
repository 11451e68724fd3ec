import { randomUUIDv7 } from 'node:crypto';
import { raw, Router, type Request, type RequestHandler, type Response } from 'express';
import { matchEndpoint } from '../../core/endpoints.ts';
import { kindOf, PlatformError, type ErrorCode } from '../../core/errors.ts';
import type { Trigger } from '../../core/execute.ts';
import { isPermission } from '../../core/permissions.ts';
import type { HydratedEndpoint, HydratedInstall, HydrationStore } from '../../platform/db/hydration.ts';
import { hasPermission, principalOf, type Principal } from '../principal.ts';
import { requestIdOf } from '../request-id.ts';
import type { CallShares } from './call-shares.ts';
import type { ExecutionResult, Executor } from './executor.ts';
import { inwardHeaders } from './request-headers.ts';
import { outwardHeaders } from './response-headers.ts';

/** A body may take minutes to come: what was allowed before it may be stopped, or have other grants, by then. */
const ALLOWED_FOR_MS = 500;
const MAX_BODY_BYTES = 6 * 1024 * 1024;

export interface ExecuteExtensionDeps {
  hydration: Pick<HydrationStore, 'byExtension'>;
  executor: Pick<Executor, 'run'>;
  callShares: Pick<CallShares, 'turn'>;
  /** Upper bound of one execution. */
  maxTimeoutMs: number;
}

/** `ANY /{extension}/{path…}`: calls of the extension's declared endpoints by an authenticated principal. */
export function createExecuteExtensionRouter(deps: ExecuteExtensionDeps, trigger: Trigger): Router {
  const router = Router();
  // Inflating is refused: a guest gets what the client sent, and a small body cannot become a large one.
  const readBody = raw({ type: () => true, limit: MAX_BODY_BYTES, inflate: false });

  const checkCall: RequestHandler = async (req, res, next) => {
    res.locals['call'] = await authorise(deps, req, principalOf(res));
    next();
  };

  const inTurn: RequestHandler = async (req, res, next) => {
    const { tenantId } = principalOf(res);
    await deps.callShares.turn({ tenantId, extension: String(req.params['extension']) }, req, res);
    next();
  };

  router.use('/:extension', inTurn, checkCall, readBody, async (req, res) => {
    const { call } = res.locals as { call: AuthorisedCall };
    const isStale = performance.now() - call.at > ALLOWED_FOR_MS;
    const { install, endpoint } = isStale ? await authorise(deps, req, principalOf(res)) : call;
    const { path, query } = pathOf(req);
    const executionId = randomUUIDv7();
    res.set('x-execution-id', executionId);
    const result = await deps.executor.run(install, {
      executionId,
      requestId: requestIdOf(res),
      trigger,
      principal: principalOf(res).keyId,
      method: req.method,
      path,
      query,
      headers: inwardHeaders(req.headers),
      body: Buffer.isBuffer(req.body) ? req.body : Buffer.alloc(0),
      timeoutMs: Math.min(endpoint.timeoutMs ?? install.limits.timeoutMs, deps.maxTimeoutMs),
    });
    res.set('x-ext-config-version', String(install.configVersion));
    res.set('x-ext-secrets-version', String(install.secretsVersion));
    answer(res, result);
  });
  return router;
}

interface AuthorisedCall {
  /** When, on the monotonic clock. */
  at: number;
  install: HydratedInstall;
  endpoint: HydratedEndpoint;
}

/** Before the body is read: who may not call does not get to send one. */
async function authorise(
  { hydration }: ExecuteExtensionDeps,
  req: Request,
  principal: Principal,
): Promise<AuthorisedCall> {
  const at = performance.now();
  const install = await hydration.byExtension(principal.tenantId, String(req.params['extension']));
  if (!install) throw notFound();
  refuseUnserved(install);
  // Whoever may call nothing at all is not told which endpoints there are.
  if (!CALLERS.some((permission) => hasPermission(principal, permission))) throw forbidden();
  const match = matchEndpoint(install.endpoints, req.method, pathOf(req).path);
  if (!match) throw notFound();
  if ('allow' in match) {
    throw new PlatformError('METHOD_NOT_ALLOWED', `the endpoint does not take ${req.method}`, {
      details: { allow: match.allow.join(', ') },
    });
  }
  if (!mayCall(principal, match.endpoint.permission)) throw forbidden(match.endpoint.permission);
  return { at, install, endpoint: match.endpoint };
}

const CALLERS = ['extension:read', 'extension:write', 'tenant:admin'] as const;

/** A name of the extension's own is in no key yet: until keys can hold such names, only the tenant's admin has it. */
function mayCall(principal: Principal, permission: string): boolean {
  return hasPermission(principal, isPermission(permission) ? permission : 'tenant:admin');
}

function refuseUnserved({ status, versionStatus }: HydratedInstall): void {
  if (versionStatus === 'revoked') throw notFound();
  if (status === 'paused') {
    throw new PlatformError('INSTALL_PAUSED', 'the extension is paused in this tenant; try again later');
  }
  if (status !== 'active') throw notFound();
}

/** What `req.url` holds below the mount: the raw path, as the client encoded it, and the query. */
function pathOf(req: Request): { path: string; query: string } {
  const mark = req.url.indexOf('?');
  return mark < 0
    ? { path: req.url, query: '' }
    : { path: req.url.slice(0, mark), query: req.url.slice(mark + 1) };
}

function answer(res: Response, result: ExecutionResult): void {
  if (!result.ok) throw guestFailure(result.code);
  res.status(result.status).set(outwardHeaders(result.headers));
  // Node's own end: Express would weigh in with a charset and an etag of its own.
  res.end(result.body);
}

/** A client learns which wall the guest hit, and nothing of what is behind it. */
function guestFailure(code: ErrorCode): PlatformError {
  switch (code) {
    case 'GUEST_TIMEOUT':
      return new PlatformError(code, 'the extension did not answer in time');
    case 'GUEST_OUT_OF_MEMORY':
      return new PlatformError(code, 'the extension reached its memory limit');
    case 'GUEST_OUT_OF_FUEL':
      return new PlatformError(code, 'the extension reached its limit of instructions');
    case 'CONCURRENCY_LIMITED':
      return new PlatformError(code, 'too many executions at once; try again');
    default:
      return kindOf(code) === 'unavailable'
        ? new PlatformError('RUNNER_UNAVAILABLE', 'the extension cannot be run at the moment; try again')
        : new PlatformError('GUEST_FAILED', 'the extension failed');
  }
}

function forbidden(permission = 'extension:read'): PlatformError {
  return new PlatformError('FORBIDDEN', `calling this needs the permission ${permission}`);
}

function notFound(): PlatformError {
  return new PlatformError('NOT_FOUND', 'there is no such extension or endpoint in this tenant');
}
