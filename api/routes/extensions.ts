import { Router } from 'express';
import { listExtensions, listVersions, readExtension, readVersion } from '../../core/api/extensions.ts';
import { PlatformError } from '../../core/errors.ts';
import { isExtensionRef } from '../../core/ids.ts';
import { permissionsOf } from '../../core/manifest/permissions.ts';
import { isExactVersion } from '../../core/version.ts';
import type { Extension, RegistryStore } from '../../platform/db/registry.ts';
import { answer } from '../answer.ts';
import { pageBody } from '../page-body.ts';
import { requirePermission } from '../principal.ts';
import { inputOf } from '../request-input.ts';

export type ExtensionsRouterDeps = {
  registry: Pick<RegistryStore, 'findExtension' | 'findVersion' | 'listExtensions' | 'listVersions'>;
};

/** The registry, which all tenants share. */
export function createExtensionsRouter({ registry }: ExtensionsRouterDeps): Router {
  const router = Router();
  router.use(requirePermission('extension:read'));

  router.get('/', async (req, res) => {
    const page = await registry.listExtensions(inputOf(listExtensions.query, req.query));
    answer(res, listExtensions, 200, pageBody(page));
  });

  router.get('/:extension', async (req, res) => {
    answer(res, readExtension, 200, await findExtension(req.params.extension));
  });

  router.get('/:extension/versions', async (req, res) => {
    const { extensionId } = await findExtension(req.params.extension);
    const page = await registry.listVersions(extensionId, inputOf(listVersions.query, req.query));
    answer(res, listVersions, 200, pageBody(page));
  });

  router.get('/:extension/versions/:version', async (req, res) => {
    const { extensionId } = await findExtension(req.params.extension);
    const number = req.params.version;
    const version = isExactVersion(number) ? await registry.findVersion(extensionId, number) : undefined;
    if (!version) throw new PlatformError('NOT_FOUND', 'there is no such version');
    const permissions = permissionsOf(version.manifest);
    answer(res, readVersion, 200, { ...version, permissions, signatures: [] });
  });

  async function findExtension(ref: string): Promise<Extension> {
    const extension = isExtensionRef(ref) ? await registry.findExtension(ref) : undefined;
    if (!extension) throw new PlatformError('NOT_FOUND', 'there is no such extension');
    return extension;
  }

  return router;
}
