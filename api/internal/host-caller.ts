import type { RequestHandler, Response } from 'express';
import { PlatformError } from '../../core/errors.ts';
import type { HostCaller } from '../../platform/db/host-grants.ts';
import type { ExecutionTokens } from '../execution/execution-tokens.ts';

/** What an execution token says of a request to a host API. */
export interface HostCallLocals {
  caller: HostCaller;
  extensionId: string;
  /** Who called the extension, if a user did. */
  userId: string | undefined;
  /** Aborts when the runner gives the call up. */
  gone: AbortSignal;
}

/** Lets a runner ask on behalf of an execution. That it is in flight, and what it was granted, the route looks up. */
export function requireExecutionToken({ check }: Pick<ExecutionTokens, 'check'>): RequestHandler {
  return async (req, res, next) => {
    const said = await check(req.get('x-execution-token') ?? '');
    const gone = new AbortController();
    res.once('close', () => {
      gone.abort(new PlatformError('CONCURRENCY_LIMITED', 'the runner gave up before the turn of its call'));
    });
    const locals: HostCallLocals = {
      caller: {
        tenantId: said.tenant,
        installId: said.install,
        versionId: said.version,
        executionId: said.execution,
      },
      extensionId: said.extension,
      userId: said.user,
      gone: gone.signal,
    };
    Object.assign(res.locals, locals);
    next();
  };
}

export function hostCallOf(res: Response): HostCallLocals {
  return res.locals as unknown as HostCallLocals;
}
