import { Router } from 'express';
import { installExtension } from '../../core/api/installs.ts';
import type { RowChanges } from '../../platform/db/row-changes.ts';
import { answerBegun, answerInstall, isSettled } from '../installs/install-answer.ts';
import type { InstallService } from '../installs/install-service.ts';
import { watchedInstall } from '../installs/watched-install.ts';
import { jsonBody } from '../json-body.ts';
import { preferredWait, waitAsPreferred } from '../prefer-wait.ts';
import { onceBegun } from '../once-begun.ts';
import { principalOf, requirePermission } from '../principal.ts';
import { inputOf } from '../request-input.ts';

export interface InstallExtensionRouterDeps {
  service: Pick<InstallService, 'install' | 'find'>;
  changes: RowChanges;
  runnerPublicBase: string;
}

/** `POST /install` of the registry: brings an extension into the caller's tenant. */
export function createInstallExtensionRouter({
  service,
  changes,
  runnerPublicBase,
}: InstallExtensionRouterDeps): Router {
  const router = Router();

  router.post('/', requirePermission('extension:install'), jsonBody, async (req, res) => {
    const principal = principalOf(res);
    const asked = inputOf(installExtension.body, req.body);
    const { installId, workflowId, already } = await service.install(principal, asked);
    const watched = watchedInstall(service, principal.tenantId, installId);
    const install = already
      ? await watched.read()
      : await onceBegun(waitAsPreferred(changes, req, res, watched, isSettled));
    if (!install) answerBegun(res, { installId, workflowId });
    else answerInstall(res, install, { waited: preferredWait(req) > 0, already, runnerPublicBase });
  });
  return router;
}
