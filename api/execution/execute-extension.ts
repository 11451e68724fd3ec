import { randomUUIDv7 } from 'node:crypto';
import { Router, type Request, type RequestHandler, type Response } from 'express';
import { matchEndpoint } from '../../core/endpoints.ts';
import { kindOf, PlatformError, type ErrorCode } from '../../core/errors.ts';
import type { Trigger } from '../../core/execute.ts';
import { isPermission } from '../../core/permissions.ts';
import { traceOf } from '../../core/trace-context.ts';
import type { CallFacts } from '../../platform/db/call-facts.ts';
import type { HydratedEndpoint, HydratedInstall } from '../../platform/db/hydration.ts';
import { hasPermission, isOver, principalOf, unauthenticated, type Principal } from '../principal.ts';
import { requestIdOf } from '../request-id.ts';
import type { CallShares } from './call-shares.ts';
import type { EndpointTerms } from './execute-request.ts';
import { ALLOWED_FOR_MS, type ExecutionResult, type Executor } from './executor.ts';
import type { RequestBodies } from './request-body.ts';
import { inwardHeaders } from './request-headers.ts';
import { outwardHeaders } from './response-headers.ts';

export interface ExecuteExtensionDeps {
  callFacts: Pick<CallFacts, 'install' | 'apiKey'>;
  executor: Pick<Executor, 'run'>;
  callShares: Pick<CallShares, 'turn' | 'found'>;
  requestBodies: Pick<RequestBodies, 'receive'>;
  /** Upper bound of one execution. */
  maxTimeoutMs: number;
}

/** `ANY /{extension}/{path…}`: calls of the extension's declared endpoints by an authenticated principal. */
export function createExecuteExtensionRouter(deps: ExecuteExtensionDeps, trigger: Trigger): Router {
  const router = Router();

  const checkCall: RequestHandler = async (req, res, next) => {
    const call = await authoriseAgain(deps, req, principalOf(res)); // it may have waited for its turn
    deps.callShares.found(String(req.params['extension']), call.install.extensionId);
    res.locals['call'] = call;
    next();
  };

  const inTurn: RequestHandler = async (req, res, next) => {
    const { tenantId } = principalOf(res);
    await deps.callShares.turn({ tenantId, extension: String(req.params['extension']) }, req, res);
    next();
  };

  const execute = async (req: Request, res: Response, body: Uint8Array): Promise<void> => {
    let { call } = res.locals as { call: AuthorisedCall };
    const allowNow = async (): Promise<AuthorisedCall> =>
      (call = await authoriseAgain(deps, req, principalOf(res)));
    const termsOf = ({ install, endpoint }: AuthorisedCall): EndpointTerms => ({
      headers: inwardHeaders(req, endpoint.headers),
      timeoutMs: Math.min(endpoint.timeoutMs ?? install.limits.timeoutMs, deps.maxTimeoutMs),
      retryable: endpoint.retryable,
    });
    // A body may take a minute to come: what was allowed before it may be stopped, or have other grants, by then.
    if (performance.now() - call.asOf > ALLOWED_FOR_MS) await allowNow();
    const { path, query } = pathOf(req);
    const executionId = randomUUIDv7();
    res.set('x-execution-id', executionId);
    const trace = traceOf(req.headers, executionId);
    res.locals['traceId'] = trace.traceId;
    const result = await deps.executor.run(call.install, {
      executionId,
      requestId: requestIdOf(res),
      trace,
      trigger,
      principal: principalOf(res).keyId,
      method: req.method,
      path,
      query,
      body,
      ...termsOf(call),
      allowedAsOf: call.asOf,
      allowAgain: async () => {
        const again = await allowNow();
        return { fact: again.install, asOf: again.asOf, ...termsOf(again) };
      },
    });
    res.set('x-ext-config-version', String(call.install.configVersion));
    res.set('x-ext-secrets-version', String(call.install.secretsVersion));
    answer(req, res, call.install, result);
  };

  router.use('/:extension', inTurn, checkCall, async (req, res) => {
    await deps.requestBodies.receive(req, res, principalOf(res).tenantId, (body) => execute(req, res, body));
  });
  return router;
}

interface AuthorisedCall {
  /** When it was so, on the clock of `performance.now()`. */
  asOf: number;
  install: HydratedInstall;
  endpoint: HydratedEndpoint;
}

/** Before the body is read: who may not call does not get to send one. */
async function authorise(
  { callFacts }: ExecuteExtensionDeps,
  req: Request,
  principal: Principal,
): Promise<AuthorisedCall> {
  const known = await callFacts.install(principal.tenantId, String(req.params['extension']));
  if (!known) throw notFound();
  const { fact: install, asOf } = known;
  refuseUnserved(install);
  // Whoever may call nothing at all is not told which endpoints there are.
  if (!CALLERS.some((permission) => hasPermission(principal, permission)) && !holdsAny(principal, install))
    throw forbidden();
  const match = matchEndpoint(install.endpoints, req.method, pathOf(req).path);
  if (!match) throw notFound();
  if ('allow' in match) {
    throw new PlatformError('METHOD_NOT_ALLOWED', `the endpoint does not take ${req.method}`, {
      details: { allow: match.allow.join(', ') },
    });
  }
  if (!mayCall(principal, install, match.endpoint.permission)) throw forbidden(match.endpoint.permission);
  return { asOf, install, endpoint: match.endpoint };
}

/** While a call was held up, its key may have been revoked as well. */
async function authoriseAgain(
  deps: ExecuteExtensionDeps,
  req: Request,
  principal: Principal,
): Promise<AuthorisedCall> {
  const key = await deps.callFacts.apiKey(principal.keyId);
  if (!key || isOver(key, new Date())) throw unauthenticated();
  return authorise(deps, req, principal);
}

const CALLERS = ['extension:read', 'extension:write', 'tenant:admin'] as const;

/** A name of the extension's own opens nothing in another install, and the tenant's admin has all of them. */
function mayCall(principal: Principal, { installId }: HydratedInstall, permission: string): boolean {
  if (isPermission(permission)) return hasPermission(principal, permission);
  if (hasPermission(principal, 'tenant:admin')) return true;
  return principal.extensionPermissions.some(
    (held) => held.installId === installId && held.permission === permission,
  );
}

function holdsAny({ extensionPermissions }: Principal, { installId }: HydratedInstall): boolean {
  return extensionPermissions.some((held) => held.installId === installId);
}

function refuseUnserved({ status, versionStatus }: HydratedInstall): void {
  const untrusted = versionStatus !== 'published' && (status === 'active' || status === 'paused');
  if (untrusted || status === 'quarantined') {
    throw quarantined();
  }
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

function answer(
  req: Request,
  res: Response,
  { extensionId }: HydratedInstall,
  result: ExecutionResult,
): void {
  if (!result.ok) throw guestFailure(result.code);
  const root = req.baseUrl;
  const roots = [root, root.slice(0, root.lastIndexOf('/') + 1) + extensionId];
  const path = root + pathOf(req).path;
  const vary = res.get('vary');
  const answered = { path, roots, vary: vary === undefined ? [] : [vary] };
  res.status(result.status).set(outwardHeaders(result.headers, answered));
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
    case 'SIGNATURE_REVOKED':
      return quarantined();
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

function quarantined(): PlatformError {
  return new PlatformError(
    'INSTALL_QUARANTINED',
    'the extension is quarantined in this tenant, and is not called; the install says why',
  );
}

function notFound(): PlatformError {
  return new PlatformError('NOT_FOUND', 'there is no such extension or endpoint in this tenant');
}
