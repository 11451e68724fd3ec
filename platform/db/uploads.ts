import type { Knex } from 'knex';
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
import { createInTurn, quotaExceeded } from './tenant-quota.ts';

/** An upload and the publish it becomes. */
export interface Upload {
  tenantId: string;
  uploadId: string;
  /** API key that began it; only its principal may go on. */
  createdBy: string;
  filename: string;
  announcedSize: number;
  announcedSha256?: string;
  received?: { size: number; sha256: string };
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
  received_size: number | null;
  received_sha256: string | null;
  status: PublishStatus;
  steps: Step<PublishStepName>[];
  checks: Check[];
  error: FailureReason | null;
  version_id: string | null;
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

  return {
    find,

    /** Throws QUOTA_EXCEEDED if the tenant has as many open uploads, or as many bytes in them, as it may. */
    async create(
      tenantId: string,
      upload: Pick<
        Upload,
        'uploadId' | 'createdBy' | 'filename' | 'announcedSize' | 'announcedSha256' | 'expiresAt'
      >,
    ): Promise<void> {
      await inTurn(tenantId, async (trx) => {
        await refuseOverQuota(trx, tenantId, upload.announcedSize);
        await trx('extension_upload').insert({
          tenant_id: tenantId,
          upload_id: upload.uploadId,
          created_by: upload.createdBy,
          filename: upload.filename,
          announced_size: upload.announcedSize,
          announced_sha256: upload.announcedSha256 ?? null,
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

    /** Throws UPLOAD_CLOSED after finalize; aborting twice is no error. */
    async abort(tenantId: string, uploadId: string): Promise<void> {
      const updated = await row(tenantId, uploadId)
        .whereIn('status', ['uploading', 'aborted'])
        .update({ status: 'aborted', ...touch(db) });
      if (updated === 0) throw closed(uploadId);
    },

    /**
     * Takes the upload into a publish: `uploading` → `verifying`. A repeat finds it open already and changes nothing.
     * Throws NOT_FOUND, UPLOAD_INCOMPLETE (no bytes yet), UPLOAD_CLOSED (aborted, expired, or ended).
     */
    async open(tenantId: string, uploadId: string): Promise<Upload> {
      await row(tenantId, uploadId)
        .where({ status: 'uploading' })
        .whereNotNull('received_sha256')
        .where('expires_at', '>', db.fn.now())
        .update({ status: 'verifying', ...touch(db) });
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
    ...(row.received_size !== null &&
      row.received_sha256 !== null && { received: { size: row.received_size, sha256: row.received_sha256 } }),
    status: row.status,
    steps: row.steps,
    checks: row.checks,
    ...(row.error && { error: row.error }),
    ...(row.version_id !== null && { versionId: row.version_id }),
    expiresAt: row.expires_at,
    createdAt: row.created_at,
  };
}
