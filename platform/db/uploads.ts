import { isDeepStrictEqual } from 'node:util';
import type { Knex } from 'knex';
import type { DsseEnvelope } from '../../core/dsse-envelope.ts';
import { PlatformError } from '../../core/errors.ts';
import {
  PUBLISH_STEPS,
  pendingSteps,
  type Check,
  type FailureReason,
  type PublishStatus,
  type PublishStepName,
  type Step,
} from '../../core/progress.ts';
import { TENANT_QUOTAS } from '../../core/quotas.ts';
import { lockContent } from './content-lock.ts';
import { createInTurn, quotaExceeded } from './tenant-quota.ts';

/** How the bytes of an upload come. */
export type UploadMethod =
  /** Through a gateway. */
  | { method: 'proxy' }
  /** To the object store, in one request. */
  | { method: 'single' }
  /** To the object store, in parts of `partSize` bytes, the last of what is left. `storeUploadId` is what the store calls the upload. */
  | { method: 'multipart'; partSize: number; storeUploadId: string };

/** An upload and the publish it becomes. */
export interface Upload {
  tenantId: string;
  uploadId: string;
  /** API key that began it; only its principal may go on. */
  createdBy: string;
  filename: string;
  announcedSize: number;
  announcedSha256?: string;
  /** What the bytes come as; absent if that was left open. */
  contentType?: string;
  transfer: UploadMethod;
  /** The sha256 is known of bytes that passed a gateway. */
  received?: { size: number; sha256?: string };
  status: PublishStatus;
  steps: Step<PublishStepName>[];
  checks: Check[];
  error?: FailureReason;
  versionId?: string;
  expiresAt: Date;
  createdAt: Date;
}

interface UploadRow {
  tenant_id: string;
  upload_id: string;
  created_by: string;
  filename: string;
  announced_size: number;
  announced_sha256: string | null;
  content_type: string | null;
  received_size: number | null;
  received_sha256: string | null;
  method: UploadMethod['method'];
  part_size: number | null;
  store_upload_id: string | null;
  content_hash: string | null;
  status: PublishStatus;
  steps: Step<PublishStepName>[];
  checks: Check[];
  error: FailureReason | null;
  version_id: string | null;
  signature: DsseEnvelope | null;
  expires_at: Date;
  created_at: Date;
}

export type UploadStore = ReturnType<typeof createUploadStore>;

export function createUploadStore(db: Knex) {
  const inTurn = createInTurn(db, 'uploads');
  const row = (tenantId: string, uploadId: string) =>
    db<UploadRow>('extension_upload').where({ tenant_id: tenantId, upload_id: uploadId });

  async function find(tenantId: string, uploadId: string): Promise<Upload | undefined> {
    const found = await row(tenantId, uploadId).first();
    return found && toUpload(found);
  }

  async function signatureOf(tenantId: string, uploadId: string): Promise<DsseEnvelope | undefined> {
    return (await row(tenantId, uploadId).first('signature'))?.signature ?? undefined;
  }

  return {
    find,

    /** Throws QUOTA_EXCEEDED if the tenant has as many open uploads, or as many bytes in them, as it may. */
    async create(
      tenantId: string,
      upload: Pick<
        Upload,
        | 'uploadId'
        | 'createdBy'
        | 'filename'
        | 'announcedSize'
        | 'announcedSha256'
        | 'contentType'
        | 'expiresAt'
      > &
        Partial<Pick<Upload, 'transfer'>>,
    ): Promise<void> {
      const { transfer = { method: 'proxy' } } = upload;
      await inTurn(tenantId, async (trx) => {
        await refuseOverQuota(trx, tenantId, upload.announcedSize);
        await trx('extension_upload').insert({
          tenant_id: tenantId,
          upload_id: upload.uploadId,
          created_by: upload.createdBy,
          filename: upload.filename,
          announced_size: upload.announcedSize,
          announced_sha256: upload.announcedSha256 ?? null,
          content_type: upload.contentType ?? null,
          method: transfer.method,
          ...(transfer.method === 'multipart' && {
            part_size: transfer.partSize,
            store_upload_id: transfer.storeUploadId,
          }),
          expires_at: upload.expiresAt,
          steps: JSON.stringify(pendingSteps(PUBLISH_STEPS)),
        });
      });
    },

    /** Throws UPLOAD_CLOSED once the upload was finalized, aborted or has expired. A second time replaces what was received. */
    async markReceived(
      tenantId: string,
      uploadId: string,
      received: { size: number; sha256: string },
    ): Promise<void> {
      const updated = await row(tenantId, uploadId)
        .where({ status: 'uploading' })
        .where('expires_at', '>', db.fn.now())
        .update({ received_size: received.size, received_sha256: received.sha256, ...touch(db) });
      if (updated === 0) throw closed(uploadId);
    },

    /** Keeps the signature that finalize brought; a repeat changes nothing. Throws STATE_CONFLICT once the publish runs with another. */
    async sign(tenantId: string, uploadId: string, signature: DsseEnvelope): Promise<void> {
      const updated = await row(tenantId, uploadId)
        .where({ status: 'uploading' })
        .update({ signature: JSON.stringify(signature), ...touch(db) } as never);
      if (updated > 0 || isDeepStrictEqual(await signatureOf(tenantId, uploadId), signature)) return;
      throw new PlatformError(
        'STATE_CONFLICT',
        'the upload was finalized with another signature, or none; upload the bundle again to publish it with this one',
      );
    },

    /** What finalize brought. */
    signature: signatureOf,

    /** Takes back an upload whose publish could not begin, as though it had not been asked for. */
    async discard(tenantId: string, uploadId: string): Promise<void> {
      await row(tenantId, uploadId).where({ status: 'uploading' }).delete();
    },

    /** Throws UPLOAD_CLOSED after finalize; aborting twice is no error. Without a reason it was its publisher's wish. */
    async abort(tenantId: string, uploadId: string, reason?: FailureReason): Promise<void> {
      const updated = await row(tenantId, uploadId)
        .whereIn('status', ['uploading', 'aborted'])
        .update({
          status: 'aborted',
          ...(reason && { error: JSON.stringify(reason) }),
          ...touch(db),
        } as never);
      if (updated === 0) throw closed(uploadId);
    },

    /**
     * Takes the upload into a publish: `uploading` → `verifying`. `size` is what arrived of bytes that did not pass a gateway. A repeat
     * finds it open already and changes nothing.
     * Throws NOT_FOUND, UPLOAD_INCOMPLETE (no bytes yet), UPLOAD_CLOSED (aborted, expired, or ended).
     */
    async open(tenantId: string, uploadId: string, size?: number): Promise<Upload> {
      const waiting = row(tenantId, uploadId)
        .where({ status: 'uploading' })
        .where('expires_at', '>', db.fn.now());
      if (size === undefined) void waiting.whereNotNull('received_size');
      await waiting.update({
        status: 'verifying',
        ...(size !== undefined && { received_size: size }),
        ...touch(db),
      });
      const upload = await find(tenantId, uploadId);
      if (!upload) throw new PlatformError('NOT_FOUND', `there is no upload ${uploadId}`);
      if (upload.status === 'uploading' && !upload.received) {
        throw new PlatformError(
          'UPLOAD_INCOMPLETE',
          'the bytes have not arrived; send them to upload-proxy first',
        );
      }
      if (upload.status !== 'verifying') throw closed(uploadId);
      return upload;
    },

    /**
     * Keeps what is stored of a content from being removed as long as the publish is under way; it waits for a removal that has begun.
     * Throws UPLOAD_CLOSED if the publish has ended.
     */
    async claim(tenantId: string, uploadId: string, contentHash: string): Promise<void> {
      await db.transaction(async (trx) => {
        await lockContent(trx, contentHash);
        const updated = await row(tenantId, uploadId)
          .transacting(trx)
          .whereIn('status', ['verifying', 'precompiling', 'registering'])
          .update({ content_hash: contentHash, ...touch(db) });
        if (updated === 0) throw closed(uploadId);
      });
    },

    /** Progress of a running publish. An ended one keeps its end: a late attempt cannot open it again, and is answered false. */
    async saveProgress(
      tenantId: string,
      uploadId: string,
      progress: {
        status: 'verifying' | 'precompiling' | 'registering';
        steps: Step<PublishStepName>[];
        checks: Check[];
      },
    ): Promise<boolean> {
      const updated = await row(tenantId, uploadId)
        .whereIn('status', ['verifying', 'precompiling', 'registering'])
        .update({
          status: progress.status,
          steps: JSON.stringify(progress.steps),
          checks: JSON.stringify(progress.checks),
          ...touch(db),
        } as never);
      return updated > 0;
    },

    /** Ends a publish. The first end stays; a repeat changes nothing. */
    async end(
      tenantId: string,
      uploadId: string,
      end: { steps: Step<PublishStepName>[]; checks: Check[] } & (
        { status: 'published'; versionId: string } | { status: 'rejected' | 'failed'; error: FailureReason }
      ),
    ): Promise<void> {
      await row(tenantId, uploadId)
        .whereIn('status', ['uploading', 'verifying', 'precompiling', 'registering'])
        .update({
          status: end.status,
          steps: JSON.stringify(end.steps),
          checks: JSON.stringify(end.checks),
          version_id: end.status === 'published' ? end.versionId : null,
          error: end.status === 'published' ? null : JSON.stringify(end.error),
          ...touch(db),
        } as never);
    },
  };
}

/** One that expired counts until housekeeping has ended it: its bytes are still there. */
async function refuseOverQuota(trx: Knex.Transaction, tenantId: string, size: number): Promise<void> {
  const [{ count, bytes }] = (await trx('extension_upload')
    .where({ tenant_id: tenantId })
    .whereIn('status', ['uploading', 'verifying', 'precompiling', 'registering'])
    .select({ count: trx.raw('count(*)'), bytes: trx.raw('coalesce(sum(announced_size), 0)::bigint') })) as [
    { count: number; bytes: number },
  ];
  const { openUploads, openUploadBytes } = TENANT_QUOTAS;
  if (count < openUploads && bytes + size <= openUploadBytes) return;
  throw quotaExceeded(
    `the tenant has ${count} open uploads of ${bytes} bytes in all, and may have ${openUploads} of ${openUploadBytes}; finalize or abort some, or wait: an upload expires after a day`,
  );
}

function touch(db: Knex): { updated_at: Knex.Raw } {
  return { updated_at: db.fn.now() };
}

function closed(uploadId: string): PlatformError {
  return new PlatformError(
    'UPLOAD_CLOSED',
    `upload ${uploadId} takes nothing more: it was finalized, aborted or has expired; begin a new one`,
  );
}

function toUpload(row: UploadRow): Upload {
  return {
    tenantId: row.tenant_id,
    uploadId: row.upload_id,
    createdBy: row.created_by,
    filename: row.filename,
    announcedSize: row.announced_size,
    ...(row.announced_sha256 !== null && { announcedSha256: row.announced_sha256 }),
    ...(row.content_type !== null && { contentType: row.content_type }),
    transfer: transferOf(row),
    ...(row.received_size !== null && {
      received: {
        size: row.received_size,
        ...(row.received_sha256 !== null && { sha256: row.received_sha256 }),
      },
    }),
    status: row.status,
    steps: row.steps,
    checks: row.checks,
    ...(row.error && { error: row.error }),
    ...(row.version_id !== null && { versionId: row.version_id }),
    expiresAt: row.expires_at,
    createdAt: row.created_at,
  };
}

function transferOf({
  method,
  part_size: partSize,
  store_upload_id: storeUploadId,
}: UploadRow): UploadMethod {
  if (method !== 'multipart') return { method };
  if (partSize === null || storeUploadId === null)
    throw new PlatformError('INTERNAL', 'an upload in parts has none'); // a constraint of the table forbids it
  return { method, partSize, storeUploadId };
}
