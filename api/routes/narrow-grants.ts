import { Router } from 'express';
import { narrowGrants as route } from '../../core/api/installs.ts';
import { isPlatformError, PlatformError } from '../../core/errors.ts';
import { narrowGrants } from '../../core/grants.ts';
import { installWorkflowId } from '../../core/ids.ts';
import { requestedCapabilities } from '../../core/manifest/permissions.ts';
import type { InstallStore } from '../../platform/db/installs.ts';
import type { RegistryStore } from '../../platform/db/registry.ts';
import { answer } from '../answer.ts';
import type { InputDigest } from '../installs/input-digest.ts';
import { installBody } from '../installs/install-answer.ts';
import type { InstallService } from '../installs/install-service.ts';
import { createOnceSettled } from '../installs/once-settled.ts';
import { jsonBody } from '../json-body.ts';
import { onceBegun } from '../once-begun.ts';
import { principalOf, requirePermission } from '../principal.ts';
import { inputOf } from '../request-input.ts';
import type { WorkflowStarter } from '../workflow-starter.ts';

export interface NarrowGrantsDeps {
  service: Pick<InstallService, 'find'>;
  installs: Pick<InstallStore, 'findByExtension'>;
  registry: Pick<RegistryStore, 'findVersionById'>;
  workflows: Pick<WorkflowStarter, 'narrowGrants'>;
  inputDigest: InputDigest;
  runnerPublicBase: string;
}

/** `PUT /{installId}/grants`: an admin leaves less of what they consented to. */
export function createNarrowGrantsRouter(deps: NarrowGrantsDeps): Router {
  const { service, registry, workflows, inputDigest } = deps;
  const onceSettled = createOnceSettled(deps.installs);
  const router = Router();

  router.put('/:installId/grants', requirePermission('extension:install'), jsonBody, async (req, res) => {
    const { installId } = inputOf(route.params, req.params);
    const { grants } = inputOf(route.body, req.body);
    const { tenantId, keyId: requestedBy } = principalOf(res);
    const { extensionId, extension, activeVersionId, status, ...install } = await service.find(
      tenantId,
      installId,
    );
    const version =
      activeVersionId === undefined ? undefined : await registry.findVersionById(activeVersionId);
    if (!version)
      throw new PlatformError('STATE_CONFLICT', `an install that is ${status} has no grants to narrow`);
    // Asked now, so that who asks hears of every fault; the workflow decides.
    narrowGrants(install.grants, requestedCapabilities(version.manifest), grants);

    const ids = { tenantId, extensionId, installId };
    const digest = inputDigest({ installId, versionId: activeVersionId, grants });
    const input = { ...ids, extension, requestedBy, grants, digest };
    const begun = await onceSettled(ids, () => workflows.narrowGrants(input)).then(
      () => true,
      (err: unknown) => {
        if (!isPlatformError(err) || err.code !== 'TEMPORAL_OUTCOME_UNKNOWN') throw err;
        return false;
      },
    );
    const narrowed = begun ? await onceBegun(service.find(tenantId, installId)) : undefined;
    if (narrowed) answer(res, route, 200, installBody(res, narrowed, deps.runnerPublicBase));
    else {
      const url = `/api/v1/installs/${installId}`;
      const workflowId = installWorkflowId(tenantId, extensionId);
      answer(res.location(url), route, 202, { installId, url, workflowId });
    }
  });
  return router;
}
