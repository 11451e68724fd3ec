import { Router } from 'express';
import { readUiInstall } from '../../core/api/internal.ts';
import { PlatformError } from '../../core/errors.ts';
import { answer } from '../answer.ts';
import type { HydrationStore } from '../../platform/db/hydration.ts';
import { inputOf } from '../request-input.ts';

/** `GET /runner/ui-installs`: whether a runner may serve a bundle's UI, with its entry below `ui/` and the sources its pages may reach. */
export function createUiInstallsRouter({
  hydration,
}: {
  hydration: Pick<HydrationStore, 'servedUi'>;
}): Router {
  const router = Router();
  router.get('/', async (req, res) => {
    const { extensionId, contentHash } = inputOf(readUiInstall.query, req.query);
    const ui = await hydration.servedUi(extensionId, contentHash);
    if (!ui) throw new PlatformError('NOT_FOUND', 'no install serves this UI');
    const { connect = [], img = [], font = [], frame = [] } = ui.csp ?? {};
    answer(res, readUiInstall, 200, {
      entry: ui.entry.replace(/^ui\//, ''),
      csp: { connectSrc: connect, imgSrc: img, fontSrc: font, frameSrc: frame },
    });
  });
  return router;
}
