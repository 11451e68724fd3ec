import { Router } from 'express';
import { PlatformError } from '../../core/errors.ts';
import { isExtensionRef } from '../../core/ids.ts';
import { permissionsOf } from '../../core/manifest/permissions.ts';
import { isExactVersion } from '../../core/version.ts';
import type { Extension, ExtensionVersion, RegistryStore } from '../../platform/db/registry.ts';
import { listBody, listQuery } from '../list-query.ts';
import { requirePermission } from '../principal.ts';

export type ExtensionsRouterDeps = {
  registry: Pick<RegistryStore, 'findExtension' | 'findVersion' | 'listExtensions' | 'listVersions'>;
};

/** The registry, which all tenants share. */
export function createExtensionsRouter({ registry }: ExtensionsRouterDeps): Router {
  const router = Router();
  router.use(requirePermission('extension:read'));

  router.get('/', async (req, res) => {
    const page = await registry.listExtensions(listQuery.parse(req.query));
    res.json(listBody(page, (extension) => extension));
  });

  router.get('/:extension', async (req, res) => {
    res.json(await findExtension(req.params.extension));
  });

  router.get('/:extension/versions', async (req, res) => {
    const { extensionId } = await findExtension(req.params.extension);
    res.json(listBody(await registry.listVersions(extensionId, listQuery.parse(req.query)), summaryOf));
  });

  router.get('/:extension/versions/:version', async (req, res) => {
    const { extensionId } = await findExtension(req.params.extension);
    const number = req.params.version;
    const version = isExactVersion(number) ? await registry.findVersion(extensionId, number) : undefined;
    if (!version) throw new PlatformError('NOT_FOUND', 'there is no such version');
    const { manifest, checks } = version;
    res.json({
      ...summaryOf(version),
      manifest,
      checks,
      permissions: permissionsOf(manifest),
      signatures: [],
    });
  });

  async function findExtension(ref: string): Promise<Extension> {
    const extension = isExtensionRef(ref) ? await registry.findExtension(ref) : undefined;
    if (!extension) throw new PlatformError('NOT_FOUND', 'there is no such extension');
    return extension;
  }

  return router;
}

function summaryOf(entry: ExtensionVersion): Record<string, unknown> {
  const { versionId, extensionId, extension, version, contentHash, status, publishedAt } = entry;
  return { versionId, extensionId, extension, version, contentHash, status, publishedAt };
}
