import { Router, type Request, type Response } from 'express';
import {
  disableInstall,
  enableInstall,
  pauseInstall,
  restoreInstall,
  resumeInstall,
  uninstallInstall,
} from '../../core/api/install-lifecycle.ts';
import { install as installSchema, readInstall } from '../../core/api/installs.ts';
import { PlatformError } from '../../core/errors.ts';
import type { LifecycleKind } from '../../core/progress.ts';
import type { Install } from '../../platform/db/installs.ts';
import type { RowChanges } from '../../platform/db/row-changes.ts';
import { answer, onWire } from '../answer.ts';
import { sendProblem } from '../error-handler.ts';
import { installBody, isSettled } from '../installs/install-answer.ts';
import type { InstallLifecycle, Operated } from '../installs/install-lifecycle.ts';
import type { InstallService } from '../installs/install-service.ts';
import { watchedInstall } from '../installs/watched-install.ts';
import { onceBegun } from '../once-begun.ts';
import { preferredWait, waitAsPreferred } from '../prefer-wait.ts';
import { principalOf, requirePermission } from '../principal.ts';
import { inputOf } from '../request-input.ts';

const ROUTES = {
  enable: enableInstall,
  disable: disableInstall,
  pause: pauseInstall,
  resume: resumeInstall,
  uninstall: uninstallInstall,
  restore: restoreInstall,
};
const UNDER_WAY = {
  enable: 'enabling',
  disable: 'disabling',
  pause: 'pausing',
  resume: 'resuming',
  uninstall: 'uninstalling',
  restore: 'restoring',
} as const;
const POSTED = ['enable', 'disable', 'pause', 'resume', 'restore'] as const satisfies LifecycleKind[];

export interface InstallLifecycleRouterDeps {
  lifecycle: InstallLifecycle;
  service: Pick<InstallService, 'find'>;
  changes: RowChanges;
  runnerPublicBase: string;
}

/** `POST /{installId}/{enable,disable,pause,resume,restore}` and `DELETE /{installId}`. */
export function createInstallLifecycleRouter(deps: InstallLifecycleRouterDeps): Router {
  const { lifecycle, service, changes } = deps;
  const router = Router();
  const mayInstall = requirePermission('extension:install');

  for (const kind of POSTED) {
    router.post(`/:installId/${kind}`, mayInstall, (req, res) => operate(req, res, kind));
  }
  router.delete('/:installId', mayInstall, (req, res) => {
    const { purge } = inputOf(uninstallInstall.query, req.query);
    return operate(req, res, 'uninstall', { purgeNow: purge === 'now' });
  });

  async function operate(
    req: Request,
    res: Response,
    kind: LifecycleKind,
    options?: { purgeNow: boolean },
  ): Promise<void> {
    const { installId } = inputOf(readInstall.params, req.params);
    const principal = principalOf(res);
    const operated = await lifecycle.operate(principal, installId, kind, options);
    const watched = watchedInstall(service, principal.tenantId, installId);
    const read =
      operated.outcome === 'begun' ? waitAsPreferred(changes, req, res, watched, isSettled) : watched.read();
    const install = operated.outcome === 'already' ? await read : await onceBegun(read);
    answerOperation(res, kind, { installId, install, operated, waited: preferredWait(req) > 0 });
  }

  function answerOperation(
    res: Response,
    kind: LifecycleKind,
    given: { installId: string; install: Install | undefined; operated: Operated; waited: boolean },
  ): void {
    const { installId, install, operated, waited } = given;
    const { outcome, workflowId } = operated;
    const route = ROUTES[kind];
    const url = `/api/v1/installs/${installId}`;
    if (!install) {
      answer(res.location(url), route, 202, { installId, status: UNDER_WAY[kind], url, workflowId });
      return;
    }
    const body = installBody(res, install, deps.runnerPublicBase);
    const hasEnded = outcome === 'begun' && waited && isSettled(install);
    if (outcome === 'already') answer(res, route, 200, body);
    else if (hasEnded && install.error) {
      const { code, message } = install.error;
      const extra = { install: onWire(installSchema, body) };
      sendProblem(res, new PlatformError(code, message), { status: 422, extra });
    } else if (hasEnded && lifecycle.isAt(kind, install)) answer(res, route, 200, body);
    else answer(res.location(url), route, 202, { ...body, url, workflowId });
  }

  return router;
}
