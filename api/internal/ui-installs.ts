import { Router } from 'express';
import { z } from 'zod';
import { PlatformError } from '../../core/errors.ts';
import { isContentHash } from '../../core/ids.ts';
import type { HydrationStore } from '../../platform/db/hydration.ts';

const uiQuery = z.strictObject({
  extensionId: z.uuid(),
  contentHash: z.string().refine(isContentHash, 'must be sha256:<64 hex>'),
});

/** `GET /runner/ui-installs`: whether a runner may serve a bundle's UI, with its entry below `ui/` and the sources its pages may reach. */
export function createUiInstallsRouter({
  hydration,
}: {
  hydration: Pick<HydrationStore, 'servedUi'>;
}): Router {
  const router = Router();
  router.get('/', async (req, res) => {
    const { extensionId, contentHash } = uiQuery.parse(req.query);
    const ui = await hydration.servedUi(extensionId, contentHash);
    if (!ui) throw new PlatformError('NOT_FOUND', 'no install serves this UI');
    const { connect = [], img = [], font = [], frame = [] } = ui.csp ?? {};
    res.json({
      entry: ui.entry.replace(/^ui\//, ''),
      csp: { connectSrc: connect, imgSrc: img, fontSrc: font, frameSrc: frame },
    });
  });
  return router;
}
