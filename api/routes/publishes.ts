import { Router, type Request, type Response } from 'express';
import { readPublish, watchPublish, type Publish } from '../../core/api/publishes.ts';
import { PlatformError } from '../../core/errors.ts';
import { PUBLISH_ENDED } from '../../core/progress.ts';
import type { RegistryStore } from '../../platform/db/registry.ts';
import type { RowChanges } from '../../platform/db/row-changes.ts';
import type { Upload, UploadStore } from '../../platform/db/uploads.ts';
import { answer, onWire } from '../answer.ts';
import type { SendEvents, StreamedState } from '../event-streams.ts';
import { waitAsPreferred } from '../prefer-wait.ts';
import { principalOf, requirePermission } from '../principal.ts';
import { publishBody } from '../publishes/publish-answer.ts';
import { inputOf } from '../request-input.ts';
import type { WatchedRow } from '../watch-row.ts';

export interface PublishesRouterDeps {
  uploads: Pick<UploadStore, 'find'>;
  registry: Pick<RegistryStore, 'findVersionById'>;
  changes: RowChanges;
  sendEvents: SendEvents;
}

/** How a publish of the caller's tenant stands. */
export function createPublishesRouter({
  uploads,
  registry,
  changes,
  sendEvents,
}: PublishesRouterDeps): Router {
  const router = Router();
  router.use(requirePermission('extension:publish', 'extension:read'));

  router.get('/:uploadId', async (req, res) => {
    const upload = await waitAsPreferred(changes, req, res, watched(req, res), hasEnded);
    answer(res, readPublish, 200, await bodyOf(upload));
  });

  router.get('/:uploadId/events', (req, res) =>
    sendEvents(req, res, watched(req, res), async (upload) => ({
      event: publishEvent(upload),
      data: onWire(watchPublish.events, await bodyOf(upload)),
    })),
  );

  function watched(req: Request, res: Response): WatchedRow<Upload> {
    const { uploadId: id } = inputOf(readPublish.params, req.params);
    const { tenantId } = principalOf(res);
    const read = async (): Promise<Upload> => {
      const upload = await uploads.find(tenantId, id);
      if (!upload) throw new PlatformError('NOT_FOUND', 'there is no such publish');
      return upload;
    };
    return { tenantId, table: 'extension_upload', id, read };
  }

  async function bodyOf(upload: Upload): Promise<Publish> {
    const { versionId } = upload;
    const version = versionId === undefined ? undefined : await registry.findVersionById(versionId);
    return publishBody(upload, version);
  }

  return router;
}

function hasEnded({ status }: Upload): boolean {
  return PUBLISH_ENDED.includes(status);
}

function publishEvent(upload: Upload): StreamedState['event'] {
  if (!hasEnded(upload)) return 'progress';
  return upload.status === 'published' ? 'done' : 'failed';
}
