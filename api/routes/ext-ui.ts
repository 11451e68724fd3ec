import { Router } from 'express';
import { PlatformError } from '../../core/errors.ts';
import type { HydrationStore } from '../../platform/db/hydration.ts';
import { principalOf, requirePermission } from '../principal.ts';

export interface ExtUiRouterDeps {
  hydration: Pick<HydrationStore, 'byExtension'>;
  /** Origin that browsers load extension UIs from. */
  runnerPublicBase: string;
}

/** `GET /{extension}/{path…}`: where the UI of the active version lies. */
export function createExtUiRouter({ hydration, runnerPublicBase }: ExtUiRouterDeps): Router {
  const router = Router();
  const base = runnerPublicBase.replace(/\/$/, '');

  router.get('/:extension{/*path}', requirePermission('extension:read'), async (req, res) => {
    const { extension, path } = req.params as { extension: string; path?: string[] };
    const segments = path ?? [];
    const install = await hydration.byExtension(principalOf(res).tenantId, extension);
    // A browser would climb out of the UI's folder by such segments.
    const climbs = segments.some((segment) => segment === '.' || segment === '..');
    if (climbs || install?.status !== 'active' || install.versionStatus !== 'published') {
      throw new PlatformError('NOT_FOUND', 'there is no such extension in this tenant');
    }
    const file = segments.map(encodeURIComponent).join('/');
    // The next version is elsewhere: nobody may remember this answer.
    res.set('cache-control', 'no-store');
    res.redirect(307, `${base}/ext-ui/${install.extensionId}/${install.contentHash}/${file}`);
  });
  return router;
}
