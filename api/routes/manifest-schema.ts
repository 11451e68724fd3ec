import { Router } from 'express';
import { readManifestSchema } from '../../core/api/manifest-schema.ts';
import { manifestJsonSchema } from '../../core/manifest/json-schema.ts';

/** What manifests may be, for editors: open, since it tells nothing of anybody. */
export function createManifestSchemaRouter(): Router {
  const router = Router();
  const schema = JSON.stringify(manifestJsonSchema());
  router.get(readManifestSchema.path, (_req, res) => {
    res.set({ 'cache-control': 'public, max-age=3600', 'access-control-allow-origin': '*' });
    res.type('application/schema+json').send(schema);
  });
  return router;
}
