import { randomUUID } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import { Router, type Request, type Response } from 'express';
import {
  abortUpload,
  finalizeUpload,
  initiateUpload,
  readUpload,
  UPLOAD_TYPES,
  uploadProxy,
} from '../../core/api/uploads.ts';
import { isPlatformError, PlatformError, type ErrorCode } from '../../core/errors.ts';
import { PUBLISH_ENDED } from '../../core/progress.ts';
import type { RegistryStore } from '../../platform/db/registry.ts';
import type { RowChanges } from '../../platform/db/row-changes.ts';
import type { Upload, UploadStore } from '../../platform/db/uploads.ts';
import type { ObjectKeys } from '../../platform/objects/keys.ts';
import type { ObjectStore } from '../../platform/objects/object-store.ts';
import { answer } from '../answer.ts';
import { createBoundedTurns } from '../../platform/bounded-turns.ts';
import { jsonBody } from '../json-body.ts';
import { waitAsPreferred } from '../prefer-wait.ts';
import { onceBegun } from '../once-begun.ts';
import { principalOf, requirePermission, type Principal } from '../principal.ts';
import { answerPublish, answerUnderWay } from '../publishes/publish-answer.ts';
import { MAX_UPLOAD_BYTES, receiveUpload, tooLarge } from '../publishes/receive-upload.ts';
import { inputOf } from '../request-input.ts';
import type { WorkflowStarter } from '../workflow-starter.ts';
import { written } from '../written.ts';

const UPLOAD_LIFETIME_MS = 24 * 60 * 60 * 1000;
/** Of one tenant's uploads: hashing keeps this process from everybody's calls, so it goes on by one chunk in each of its rounds. */
const CHUNKS = { atOnce: 1, waiting: Infinity };

export interface ExtBundlesRouterDeps {
  uploads: Pick<UploadStore, 'create' | 'find' | 'markReceived' | 'abort'>;
  registry: Pick<RegistryStore, 'findVersionById'>;
  objects: Pick<ObjectStore, 'put' | 'remove'>;
  keys: Pick<ObjectKeys, 'staging'>;
  workflows: Pick<WorkflowStarter, 'startPublish'>;
  changes: RowChanges;
}

/** Uploads of bundles, and the publish that finalize makes of one. Only the principal that began an upload may go on with it. */
export function createExtBundlesRouter(deps: ExtBundlesRouterDeps): Router {
  const { uploads, objects, keys, workflows } = deps;
  const chunks = createBoundedTurns(CHUNKS);
  const router = Router();
  router.use(requirePermission('extension:publish'));

  router.post('/initiate-upload', jsonBody, async (req, res) => {
    const { filename, size, sha256, method } = inputOf(initiateUpload.body, req.body);
    if (size > MAX_UPLOAD_BYTES) throw tooLarge();
    if (method === 'presigned') {
      throw new PlatformError('UPLOAD_METHOD_UNAVAILABLE', 'send the bytes through upload-proxy');
    }
    const { tenantId, keyId: createdBy } = principalOf(res);
    const uploadId = randomUUID();
    const expiresAt = new Date(Date.now() + UPLOAD_LIFETIME_MS);
    const announced = { announcedSize: size, ...(sha256 !== undefined && { announcedSha256: sha256 }) };
    await written(uploads.create(tenantId, { uploadId, createdBy, filename, ...announced, expiresAt }));
    const url = `/api/ext-bundles/upload-proxy?uploadId=${uploadId}`;
    answer(res, initiateUpload, 201, { uploadId, method: 'proxy', url, expiresAt });
  });

  router.put('/upload-proxy', async (req, res) => {
    const { uploadId } = inputOf(uploadProxy.query, req.query);
    const { tenantId } = principalOf(res);
    checkUploadHeaders(req);
    const { announcedSize: size, announcedSha256: sha256 } = await ownUpload(res, uploadId, 'uploading');
    const staging = keys.staging(tenantId, uploadId);
    const gone = new AbortController();
    res.once('close', () => gone.abort());
    const inTurn = (work: () => void): Promise<void> =>
      chunks.run(tenantId, gone.signal, async () => {
        work();
        await setImmediate();
      });
    const received = await receiveUpload(objects, staging, req, { size, sha256 }, inTurn);
    await written(uploads.markReceived(tenantId, uploadId, received));
    answer(res, uploadProxy, 200, received);
  });

  router.post('/finalize', jsonBody, async (req, res) => {
    const { uploadId } = inputOf(finalizeUpload.body, req.body);
    const { tenantId } = principalOf(res);
    const upload = await ownUpload(res, uploadId);
    if (upload.status === 'aborted') throw closed();
    if (upload.status === 'uploading' && !upload.received) {
      throw new PlatformError('UPLOAD_INCOMPLETE', 'send the bytes to upload-proxy first');
    }
    if (!hasEnded(upload)) await startOrJoin(workflows, principalOf(res), uploadId);
    const read = (): Promise<Upload> => findUpload(tenantId, uploadId);
    const watched = { tenantId, table: 'extension_upload', id: uploadId, read } as const;
    const settled = await onceBegun(waitAsPreferred(deps.changes, req, res, watched, hasEnded));
    if (settled?.status === 'aborted') throw closed();
    const answered = settled && (await onceBegun(answerSettled(res, settled).then(() => true)));
    if (!answered) answerUnderWay(res, { uploadId, status: 'verifying' });
  });

  router.post('/abort', jsonBody, async (req, res) => {
    const { uploadId } = inputOf(abortUpload.body, req.body);
    const { tenantId } = principalOf(res);
    await ownUpload(res, uploadId);
    await written(uploads.abort(tenantId, uploadId));
    await objects.remove(keys.staging(tenantId, uploadId));
    answer(res, abortUpload, 204, undefined);
  });

  router.get('/uploads/:uploadId', async (req, res) => {
    const { uploadId } = inputOf(readUpload.params, req.params);
    const upload = await ownUpload(res, uploadId);
    const receivedParts = upload.received ? [{ number: 1, ...upload.received }] : [];
    const open = upload.status === 'uploading' && !upload.received;
    const parts = open ? [{ number: 1, url: `/api/ext-bundles/upload-proxy?uploadId=${uploadId}` }] : [];
    const { status, expiresAt, announcedSize: size } = upload;
    const state = { uploadId, status, size, expiresAt, method: 'proxy' as const, receivedParts, parts };
    answer(res, readUpload, 200, state);
  });

  async function answerSettled(res: Response, upload: Upload): Promise<void> {
    const { versionId } = upload;
    const version = versionId === undefined ? undefined : await deps.registry.findVersionById(versionId);
    answerPublish(res, upload, version);
  }

  async function findUpload(tenantId: string, uploadId: string): Promise<Upload> {
    const upload = await uploads.find(tenantId, uploadId);
    if (!upload) throw new PlatformError('NOT_FOUND', 'there is no such upload');
    return upload;
  }

  async function ownUpload(res: Response, uploadId: string, status?: 'uploading'): Promise<Upload> {
    const principal: Principal = principalOf(res);
    const upload = await findUpload(principal.tenantId, uploadId);
    if (upload.createdBy !== principal.keyId) {
      throw new PlatformError('FORBIDDEN', 'only the key that began an upload may go on with it');
    }
    if (status && (upload.status !== status || upload.expiresAt <= new Date())) throw closed();
    return upload;
  }

  return router;
}

function hasEnded({ status }: Upload): boolean {
  return PUBLISH_ENDED.includes(status);
}

/** A publish that ended since the row was read, or that Temporal may have taken: what comes of it shows in the row. */
const TOLD_BY_ROW: readonly ErrorCode[] = ['STATE_CONFLICT', 'TEMPORAL_OUTCOME_UNKNOWN'];

async function startOrJoin(
  workflows: Pick<WorkflowStarter, 'startPublish'>,
  { tenantId, keyId: requestedBy }: Principal,
  uploadId: string,
): Promise<void> {
  try {
    await workflows.startPublish({ tenantId, uploadId, requestedBy });
  } catch (err) {
    if (!isPlatformError(err) || !TOLD_BY_ROW.includes(err.code)) throw err;
  }
}

/** Before any byte is read: what the headers alone make impossible. */
function checkUploadHeaders(req: Request): void {
  const [type = ''] = (req.get('content-type') ?? '').split(';');
  if (
    !(UPLOAD_TYPES as readonly string[]).includes(type.trim().toLowerCase()) ||
    req.get('content-encoding') !== undefined
  ) {
    throw new PlatformError(
      'MEDIA_TYPE_UNSUPPORTED',
      `send the bundle as ${UPLOAD_TYPES.join(' or ')}, without content-encoding`,
    );
  }
  if (Number(req.get('content-length') ?? 0) > MAX_UPLOAD_BYTES) throw tooLarge();
}

function closed(): PlatformError {
  return new PlatformError(
    'UPLOAD_CLOSED',
    'the upload was finalized, aborted or has expired; begin a new one',
  );
}
