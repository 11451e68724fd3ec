import type { Knex } from 'knex';
import { lockInstall, removeExpired, type StorageOwner } from './storage-limits.ts';

export type StorageSweepStore = ReturnType<typeof createStorageSweepStore>;

/** Records whose time is over. Nobody is answered them any more; they take room. */
export function createStorageSweepStore(db: Knex) {
  return {
    /** How many `remove` would remove. */
    async count(): Promise<number> {
      const [row] = (await db('extension_storage_record')
        .where('expires_at', '<=', db.fn.now())
        .count({ count: '*' })) as [{ count: number }];
      return row.count;
    },

    /** Removes some of one install, whose other writes that grow wait meanwhile, and answers how many; 0 once none is left. */
    async remove(): Promise<number> {
      const owner = (await db('extension_storage_record')
        .where('expires_at', '<=', db.fn.now())
        .orderBy('expires_at')
        .first({ tenantId: 'tenant_id', installId: 'install_id' })) as StorageOwner | undefined;
      if (!owner) return 0;
      return db.transaction(async (trx) => {
        await lockInstall(trx, owner);
        return removeExpired(trx, owner);
      });
    },
  };
}
