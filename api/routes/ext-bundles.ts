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
import type { Upload, UploadMethod, UploadStore } from '../../platform/db/uploads.ts';
import type { ObjectKeys } from '../../platform/objects/keys.ts';
import type { ObjectStore } from '../../platform/objects/object-store.ts';
import { answer } from '../answer.ts';
import { createBoundedTurns } from '../../platform/bounded-turns.ts';
import { jsonBody } from '../json-body.ts';
import { waitAsPreferred } from '../prefer-wait.ts';
import { onceBegun } from '../once-begun.ts';
import { principalOf, requirePermission, type Principal } from '../principal.ts';
import { createDirectUpload, type Offer } from '../publishes/direct-upload.ts';
import { answerPublish, answerUnderWay } from '../publishes/publish-answer.ts';
import { MAX_UPLOAD_BYTES, receiveUpload, tooLarge } from '../publishes/receive-upload.ts';
import { createRateLimit } from '../rate-limit.ts';
import { inputOf } from '../request-input.ts';
import type { PublishBundleInput } from '../../workflows/messages.ts';
import type { WorkflowStarter } from '../workflow-starter.ts';
import { written } from '../written.ts';

const UPLOAD_LIFETIME_MS = 24 * 60 * 60 * 1000;
/** Of one key at one gateway: each begins a workflow, carries up to 200 MiB, or asks the object store. */
const REQUESTS = { burst: 120, perSecond: 2 };
/** Of one tenant's uploads: hashing keeps this process from everybody's calls, so it goes on by one chunk in each of its rounds. */
const CHUNKS = { atOnce: 1, waiting: Infinity };

export interface ExtBundlesRouterDeps {
  uploads: Pick<UploadStore, 'create' | 'discard' | 'find' | 'markReceived' | 'sign'>;
  registry: Pick<RegistryStore, 'findVersionById'>;
  objects: Pick<ObjectStore, 'put' | 'direct'>;
  keys: Pick<ObjectKeys, 'staging'>;
  workflows: Pick<WorkflowStarter, 'beginPublish' | 'finalizePublish' | 'abortPublish'>;
  changes: RowChanges;
}

/** Uploads of bundles, each with its publish, which finalize lets go on. Only the principal that began an upload may go on with it. */
export function createExtBundlesRouter(deps: ExtBundlesRouterDeps): Router {
  const { uploads, objects, keys, workflows } = deps;
  const direct = createDirectUpload(objects, keys);
  const chunks = createBoundedTurns(CHUNKS);
  const requests = createRateLimit(REQUESTS);
  const router = Router();
  router.use(requirePermission('extension:publish'));

  router.post('/initiate-upload', jsonBody, async (req, res) => {
    const { filename, size, sha256, contentType, method } = inputOf(initiateUpload.body, req.body);
    if (size > MAX_UPLOAD_BYTES) throw tooLarge();
    const { tenantId, keyId: createdBy } = principalOf(res);
    requests.count(createdBy);
    const uploadId = randomUUID();
    const staged = { tenantId, uploadId, requestedBy: createdBy };
    const announced = {
      announcedSize: size,
      ...(sha256 !== undefined && { announcedSha256: sha256 }),
      ...(contentType !== undefined && { contentType }),
    };
    const transfer: UploadMethod =
      method === 'presigned' ? await direct.begin(staged, announced) : { method: 'proxy' };
    const expiresAt = new Date(Date.now() + UPLOAD_LIFETIME_MS);
    const row = { uploadId, createdBy, filename, ...announced, transfer, expiresAt };
    try {
      await written(uploads.create(tenantId, row));
      await begin({ ...staged, expiresAt: expiresAt.toISOString() });
    } catch (err) {
      await direct.abandon(staged).catch(() => undefined); // the sweep removes them
      throw err;
    }
    const { parts, headers, partSize, urlsExpireAt } = await whereToSend({ ...row, tenantId }, true);
    const place = transfer.method === 'multipart' ? { parts } : { url: parts[0]?.url };
    answer(res, initiateUpload, 201, {
      uploadId,
      method: transfer.method,
      ...place,
      headers,
      partSize,
      urlsExpireAt,
      expiresAt,
    });
  });

  router.put('/upload-proxy', async (req, res) => {
    const { uploadId } = inputOf(uploadProxy.query, req.query);
    const { tenantId, keyId } = principalOf(res);
    checkUploadHeaders(req, UPLOAD_TYPES);
    requests.count(keyId);
    const upload = await ownUpload(res, uploadId, 'uploading');
    if (upload.transfer.method !== 'proxy') throw presignedOnly();
    if (upload.contentType !== undefined) checkUploadHeaders(req, [upload.contentType]);
    const { announcedSize: size, announcedSha256: sha256 } = upload;
    const staging = keys.staging({ tenantId, uploadId, requestedBy: upload.createdBy });
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
    const { uploadId, parts, signature } = inputOf(finalizeUpload.body, req.body);
    const { tenantId } = principalOf(res);
    const upload = await ownUpload(res, uploadId);
    if (upload.status === 'aborted') throw closed();
    const { method } = upload.transfer;
    if (parts && method !== 'multipart') throw noParts();
    if (upload.status === 'uploading' && method === 'proxy' && !upload.received) {
      throw new PlatformError('UPLOAD_INCOMPLETE', 'send the bytes to upload-proxy first');
    }
    if (signature) await written(uploads.sign(tenantId, uploadId, signature));
    if (!hasEnded(upload))
      await toldByRow(workflows.finalizePublish(publishOf(upload), { ...(parts && { parts }) }));
    const read = (): Promise<Upload> => findUpload(tenantId, uploadId);
    const watched = { tenantId, table: 'extension_upload', id: uploadId, read } as const;
    const settled = await onceBegun(waitAsPreferred(deps.changes, req, res, watched, hasEnded));
    if (settled?.status === 'aborted') throw closed();
    const answered = settled && (await onceBegun(answerSettled(res, settled).then(() => true)));
    if (!answered) answerUnderWay(res, { uploadId, status: 'verifying' });
  });

  router.post('/abort', jsonBody, async (req, res) => {
    const { uploadId } = inputOf(abortUpload.body, req.body);
    const upload = await ownUpload(res, uploadId);
    if (!hasEnded(upload)) await workflows.abortPublish(publishOf(upload));
    else if (upload.status !== 'aborted') throw closed();
    answer(res, abortUpload, 204, undefined);
  });

  router.get('/uploads/:uploadId', async (req, res) => {
    const { uploadId } = inputOf(readUpload.params, req.params);
    requests.count(principalOf(res).keyId);
    const upload = await ownUpload(res, uploadId);
    const { status, expiresAt, announcedSize: size, transfer, received } = upload;
    const isOpen = status === 'uploading' && !received && expiresAt > new Date();
    const whatIsThere = isOpen
      ? await whereToSend(upload, false)
      : { receivedParts: received ? [{ number: 1, ...received }] : [], parts: [] };
    answer(res, readUpload, 200, {
      uploadId,
      status,
      size,
      expiresAt,
      method: transfer.method,
      ...whatIsThere,
    });
  });

  /** Of an upload that is open. */
  async function whereToSend(
    upload: Pick<
      Upload,
      'tenantId' | 'uploadId' | 'createdBy' | 'transfer' | 'announcedSize' | 'contentType' | 'expiresAt'
    >,
    isNew: boolean,
  ): Promise<Omit<Offer, 'urlsExpireAt'> & Partial<Offer>> {
    const { tenantId, uploadId, createdBy: requestedBy, transfer } = upload;
    if (transfer.method !== 'proxy') return direct.offer({ tenantId, uploadId, requestedBy }, upload, isNew);
    return {
      parts: [{ number: 1, url: `/api/ext-bundles/upload-proxy?uploadId=${uploadId}` }],
      receivedParts: [],
    };
  }

  /** Nothing is left of an upload whose publish could not begin. Of one that may have begun, finalize finds out. */
  async function begin(publish: PublishBundleInput): Promise<void> {
    try {
      await workflows.beginPublish(publish);
    } catch (err) {
      if (isPlatformError(err) && err.code === 'TEMPORAL_OUTCOME_UNKNOWN') return;
      await uploads.discard(publish.tenantId, publish.uploadId);
      throw err;
    }
  }

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

async function toldByRow(asked: Promise<unknown>): Promise<void> {
  try {
    await asked;
  } catch (err) {
    if (!isPlatformError(err) || !TOLD_BY_ROW.includes(err.code)) throw err;
  }
}

function publishOf({ tenantId, uploadId, createdBy, expiresAt }: Upload): PublishBundleInput {
  return { tenantId, uploadId, requestedBy: createdBy, expiresAt: expiresAt.toISOString() };
}

/** Before any byte is read: what the headers alone make impossible. */
function checkUploadHeaders(req: Request, types: readonly string[]): void {
  const [type = ''] = (req.get('content-type') ?? '').split(';');
  if (!types.includes(type.trim().toLowerCase()) || req.get('content-encoding') !== undefined) {
    throw new PlatformError(
      'MEDIA_TYPE_UNSUPPORTED',
      `send the bundle as ${types.join(' or ')}, without content-encoding`,
    );
  }
  if (Number(req.get('content-length') ?? 0) > MAX_UPLOAD_BYTES) throw tooLarge();
}

function presignedOnly(): PlatformError {
  return new PlatformError(
    'UPLOAD_METHOD_UNAVAILABLE',
    'this upload takes its bytes at presigned URLs, which reading the upload gives; begin another with "method": "proxy" to send them here',
  );
}

function noParts(): PlatformError {
  return new PlatformError(
    'UPLOAD_METHOD_UNAVAILABLE',
    'this upload does not come in parts; finalize it without "parts"',
  );
}

function closed(): PlatformError {
  return new PlatformError(
    'UPLOAD_CLOSED',
    'the upload was finalized, aborted or has expired; begin a new one',
  );
}
