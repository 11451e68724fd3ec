import type { Knex } from 'knex';
import type { FailureReason, PublishStepName, Step } from '../../core/progress.ts';
import { lockContent } from './content-lock.ts';

/** A request that was under way when its upload expired has long ended. */
const GRACE = '1 hour';
/** How an upload ended can be read this long. */
const ENDED_FOR = '30 days';
const BATCH = 1_000;

/** A publish that has not changed for a while. */
export interface QuietPublish {
  tenantId: string;
  uploadId: string;
  steps: Step<PublishStepName>[];
  /** As the database writes it: a Date would lose the microseconds. */
  updatedAt: string;
}

export type UploadSweepStore = ReturnType<typeof createUploadSweepStore>;

/** Uploads that nobody goes on with. */
export function createUploadSweepStore(db: Knex) {
  const unfinalized = (): Knex.QueryBuilder =>
    db('extension_upload')
      .where({ status: 'uploading' })
      .whereRaw('expires_at < now() - ?::interval', [GRACE]);
  const ended = (): Knex.QueryBuilder =>
    db('extension_upload')
      .whereIn('status', ['published', 'rejected', 'aborted', 'failed'])
      .whereRaw('updated_at < now() - ?::interval', [ENDED_FOR]);
  const count = async (rows: Knex.QueryBuilder): Promise<number> => {
    const [row] = (await rows.count({ count: '*' })) as [{ count: number }];
    return row.count;
  };

  return {
    /** Uploads that expired without being finalized. */
    async countUnfinalized(): Promise<number> {
      return count(unfinalized());
    },

    /** Ends some of them and answers how many. */
    async endUnfinalized(reason: FailureReason): Promise<number> {
      return unfinalized()
        .whereIn(['tenant_id', 'upload_id'], unfinalized().select('tenant_id', 'upload_id').limit(BATCH))
        .update({ status: 'aborted', error: JSON.stringify(reason), updated_at: db.fn.now() });
    },

    /** Uploads that ended so long ago that nobody asks how. */
    async countEnded(): Promise<number> {
      return count(ended());
    },

    /** Removes some of them and answers how many; a version that one has become does not need it. */
    async removeEnded(): Promise<number> {
      return db('extension_upload')
        .whereIn(['tenant_id', 'upload_id'], ended().select('tenant_id', 'upload_id').limit(BATCH))
        .delete();
    },

    /** A page of publishes that last changed `quietMs` ago or earlier, the quietest first. */
    async listQuiet(quietMs: number, after?: QuietPublish): Promise<QuietPublish[]> {
      const query = db('extension_upload')
        .whereIn('status', ['verifying', 'precompiling', 'registering'])
        .whereRaw('updated_at < now() - ?::interval', [`${quietMs} ms`])
        .orderBy(['updated_at', 'upload_id'])
        .limit(BATCH)
        .select({
          tenantId: 'tenant_id',
          uploadId: 'upload_id',
          steps: 'steps',
          updatedAt: db.raw('updated_at::text'),
        });
      if (after) {
        void query.whereRaw('(updated_at, upload_id) > (?::timestamptz, ?::uuid)', [
          after.updatedAt,
          after.uploadId,
        ]);
      }
      return (await query) as QuietPublish[];
    },

    /**
     * Ends a publish that has not changed since it was listed; false if it has. One that made its version before its workflow was lost is
     * published.
     */
    async endQuiet(
      publish: QuietPublish,
      ends: Record<'published' | 'failed', { steps: Step<PublishStepName>[] }>,
      reason: FailureReason,
    ): Promise<boolean> {
      return db.transaction(async (trx) => {
        const version = (await trx('extension_version')
          .where({ upload_id: publish.uploadId })
          .first('version_id')) as { version_id: string } | undefined;
        const updated = await trx('extension_upload')
          .where({ tenant_id: publish.tenantId, upload_id: publish.uploadId })
          .whereIn('status', ['verifying', 'precompiling', 'registering'])
          .whereRaw('updated_at = ?::timestamptz', [publish.updatedAt])
          .update({
            status: version ? 'published' : 'failed',
            version_id: version?.version_id ?? null,
            steps: JSON.stringify((version ? ends.published : ends.failed).steps),
            error: version ? null : JSON.stringify(reason),
            updated_at: trx.fn.now(),
          });
        return updated > 0;
      });
    },

    /** Of these contents, those that no version has and no publish under way is to have. */
    async unclaimed(contentHashes: readonly string[]): Promise<string[]> {
      return unclaimed(db, contentHashes);
    },

    /** Runs the work if nobody claims the content still, and lets nobody begin to meanwhile; answers whether it ran. */
    async whileUnclaimed(contentHash: string, work: () => Promise<void>): Promise<boolean> {
      return db.transaction(async (trx) => {
        await lockContent(trx, contentHash);
        if ((await unclaimed(trx, [contentHash])).length === 0) return false;
        await work();
        return true;
      });
    },

    /** Of these uploads, the ids of those whose bytes somebody may still want. */
    async stillOpen(uploads: readonly { tenantId: string; uploadId: string }[]): Promise<Set<string>> {
      const ids = (await db('extension_upload')
        .whereIn(
          ['tenant_id', 'upload_id'],
          uploads.map(({ tenantId, uploadId }) => [tenantId, uploadId]),
        )
        .whereIn('status', ['uploading', 'verifying', 'precompiling', 'registering'])
        .pluck('upload_id')) as string[];
      return new Set(ids);
    },
  };
}

async function unclaimed(query: Knex, contentHashes: readonly string[]): Promise<string[]> {
  const { rows } = await query.raw<{ rows: { content_hash: string }[] }>(
    `select c.content_hash from unnest(?::text[]) as c(content_hash)
      where not exists (select from extension_bundle b where b.content_hash = c.content_hash)
        and not exists (select from extension_upload u
                         where u.content_hash = c.content_hash
                           and u.status in ('verifying', 'precompiling', 'registering'))`,
    [[...contentHashes]],
  );
  return rows.map(({ content_hash: contentHash }) => contentHash);
}
