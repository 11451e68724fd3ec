import { Router } from 'express';
import { readBundleTrust } from '../../core/api/internal.ts';
import type { TrustStore } from '../../platform/db/trust.ts';
import type { VersionTrustStore } from '../../platform/db/version-trust.ts';
import { answer } from '../answer.ts';
import { inputOf } from '../request-input.ts';

export interface BundleTrustDeps {
  trust: Pick<TrustStore, 'current'>;
  versionTrust: Pick<VersionTrustStore, 'findByContent'>;
}

/** `GET /runner/trust`: what a runner holds the signatures of a bundle against before it loads it. */
export function createBundleTrustRouter({ trust: store, versionTrust }: BundleTrustDeps): Router {
  const router = Router();
  router.get('/', async (req, res) => {
    const { contentHash } = inputOf(readBundleTrust.query, req.query);
    const [{ trust }, version] = await Promise.all([
      store.current(),
      versionTrust.findByContent(contentHash),
    ]);
    const { policy, threshold, keys } = trust;
    answer(res, readBundleTrust, 200, {
      trust: { policy, threshold, keys: [...keys] },
      ...(version && { bundle: { publisher: version.publisher, signatures: version.signatures } }),
    });
  });
  return router;
}
