import { Router } from 'express';
import { readPublish } from '../../core/api/publishes.ts';
import { PlatformError } from '../../core/errors.ts';
import { PUBLISH_ENDED } from '../../core/progress.ts';
import type { RegistryStore } from '../../platform/db/registry.ts';
import type { Upload, UploadStore } from '../../platform/db/uploads.ts';
import { answer } from '../answer.ts';
import { waitAsPreferred } from '../prefer-wait.ts';
import { principalOf, requirePermission } from '../principal.ts';
import { publishBody } from '../publishes/publish-answer.ts';

export interface PublishesRouterDeps {
  uploads: Pick<UploadStore, 'find'>;
  registry: Pick<RegistryStore, 'findVersionById'>;
}

/** `GET /{uploadId}`: how a publish of the caller's tenant stands. */
export function createPublishesRouter({ uploads, registry }: PublishesRouterDeps): Router {
  const router = Router();

  router.get('/:uploadId', requirePermission('extension:publish', 'extension:read'), async (req, res) => {
    const { uploadId } = readPublish.params.parse(req.params);
    const { tenantId } = principalOf(res);
    const find = async (): Promise<Upload> => {
      const upload = await uploads.find(tenantId, uploadId);
      if (!upload) throw new PlatformError('NOT_FOUND', 'there is no such publish');
      return upload;
    };
    const upload = await waitAsPreferred(req, res, find, ({ status }) => PUBLISH_ENDED.includes(status));
    const { versionId } = upload;
    const version = versionId === undefined ? undefined : await registry.findVersionById(versionId);
    answer(res, readPublish, 200, publishBody(upload, version));
  });
  return router;
}
