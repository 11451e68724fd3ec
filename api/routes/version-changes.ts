import { Router, type Request, type Response } from 'express';
import { readInstall } from '../../core/api/installs.ts';
import { rollbackInstall, upgradeInstall } from '../../core/api/version-changes.ts';
import type { RowChanges } from '../../platform/db/row-changes.ts';
import { answer } from '../answer.ts';
import { isSettled } from '../installs/install-answer.ts';
import type { InstallService } from '../installs/install-service.ts';
import { answerVersionChange } from '../installs/version-answer.ts';
import type { Changed, VersionChanges } from '../installs/version-changes.ts';
import { watchedInstall } from '../installs/watched-install.ts';
import { jsonBody } from '../json-body.ts';
import { onceBegun } from '../once-begun.ts';
import { preferredWait, waitAsPreferred } from '../prefer-wait.ts';
import { principalOf, requirePermission } from '../principal.ts';
import { inputOf } from '../request-input.ts';

const ROUTES = { upgrading: upgradeInstall, 'rolling-back': rollbackInstall } as const;

export interface VersionChangesRouterDeps {
  versionChanges: VersionChanges;
  service: Pick<InstallService, 'find'>;
  changes: RowChanges;
  runnerPublicBase: string;
}

/** `POST /{installId}/upgrade` and `POST /{installId}/rollback`. */
export function createVersionChangesRouter(deps: VersionChangesRouterDeps): Router {
  const { versionChanges, service, changes, runnerPublicBase } = deps;
  const router = Router();
  const mayInstall = requirePermission('extension:install');

  router.post('/:installId/upgrade', mayInstall, jsonBody, async (req, res) => {
    const asked = inputOf(upgradeInstall.body, req.body);
    await answerChanged(
      req,
      res,
      'upgrading',
      await versionChanges.upgrade(principalOf(res), installIdOf(req), asked),
    );
  });

  router.post('/:installId/rollback', mayInstall, jsonBody, async (req, res) => {
    const { version } = inputOf(rollbackInstall.body, req.body ?? {});
    await answerChanged(
      req,
      res,
      'rolling-back',
      await versionChanges.rollBack(principalOf(res), installIdOf(req), version),
    );
  });

  async function answerChanged(
    req: Request,
    res: Response,
    status: keyof typeof ROUTES,
    { outcome, workflowId, versionId }: Changed,
  ): Promise<void> {
    const installId = installIdOf(req);
    const watched = watchedInstall(service, principalOf(res).tenantId, installId);
    const read =
      outcome === 'begun' ? waitAsPreferred(changes, req, res, watched, isSettled) : watched.read();
    const already = outcome === 'already';
    const install = already ? await read : await onceBegun(read);
    if (!install) {
      const url = `/api/v1/installs/${installId}`;
      answer(res.location(url), ROUTES[status], 202, { installId, status, url, workflowId });
      return;
    }
    const waited = outcome === 'begun' && preferredWait(req) > 0;
    answerVersionChange(res, ROUTES[status], install, { versionId, waited, runnerPublicBase, already });
  }

  return router;
}

function installIdOf(req: Request): string {
  return inputOf(readInstall.params, req.params).installId;
}
