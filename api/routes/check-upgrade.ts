import { Router } from 'express';
import { checkUpgrade as route } from '../../core/api/upgrades.ts';
import { PlatformError } from '../../core/errors.ts';
import { permissionsOf } from '../../core/manifest/permissions.ts';
import { checkUpgrade } from '../../core/upgrade.ts';
import type { InstallStore } from '../../platform/db/installs.ts';
import type { RegistryStore } from '../../platform/db/registry.ts';
import { answer } from '../answer.ts';
import { refuseUnavailable } from '../installs/consent.ts';
import { findVersion } from '../installs/find-version.ts';
import type { InstallService } from '../installs/install-service.ts';
import { jsonBody } from '../json-body.ts';
import { principalOf, requirePermission } from '../principal.ts';
import { inputOf } from '../request-input.ts';

export interface CheckUpgradeRouterDeps {
  registry: Pick<RegistryStore, 'publishedVersions' | 'findVersion' | 'findVersionById'>;
  installs: Pick<InstallStore, 'secretNames'>;
  service: Pick<InstallService, 'find'>;
}

/** `POST /`: what an upgrade of an install would need, before anybody asks for it. */
export function createCheckUpgradeRouter({ registry, installs, service }: CheckUpgradeRouterDeps): Router {
  const router = Router();

  router.post('/', requirePermission('extension:install'), jsonBody, async (req, res) => {
    const { installId, version: wanted } = inputOf(route.body, req.body);
    const { tenantId } = principalOf(res);
    const install = await service.find(tenantId, installId);
    if (install.activeVersionId === undefined) {
      throw new PlatformError(
        'STATE_CONFLICT',
        `an install that is ${install.status} has nothing to upgrade`,
      );
    }
    const next = await findVersion(registry, install.extensionId, wanted);
    refuseUnavailable(next.manifest);
    const current = await registry.findVersionById(install.activeVersionId);
    if (!current) throw new PlatformError('INTERNAL', 'an install names a version that is not there');
    const secrets = Object.keys(await installs.secretNames(tenantId, installId));
    const { grants, config = {}, aside = {} } = install;
    const from = { manifest: current.manifest, grants, config, aside, secrets };
    const checked = checkUpgrade(from, next.manifest);
    const added = checked.added.map(({ name }) => name);
    answer(res, route, 200, {
      version: next.version,
      needsConsent: checked.needsConsent,
      added,
      permissions: permissionsOf(next.manifest).filter(({ capability }) => added.includes(capability)),
      settingsNeeded: checked.settingsNeeded,
    });
  });

  return router;
}
