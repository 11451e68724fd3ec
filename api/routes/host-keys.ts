import type { KeyObject } from 'node:crypto';
import { Router } from 'express';
import { keySetOf } from '../../platform/host-application/host-tokens.ts';

/** Shorter than it takes an operator from one step of a rotation to the next. */
const MAX_AGE_SECONDS = 300;

/** `GET /.well-known/jwks.json`: what the host application verifies our tokens with. Open to all, as public keys are. */
export function createHostKeysRouter(keys: readonly KeyObject[]): Router {
  const keySet = keySetOf(keys);
  const router = Router();
  router.get('/.well-known/jwks.json', async (_req, res) => {
    res.setHeader('cache-control', `public, max-age=${MAX_AGE_SECONDS}`);
    res.json(await keySet);
  });
  return router;
}
