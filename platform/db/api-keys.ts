import { randomUUID } from 'node:crypto';
import type { Knex } from 'knex';
import type { HeldPermission } from '../../core/own-permission.ts';
import type { Permission } from '../../core/permissions.ts';
import { TENANT_QUOTAS } from '../../core/quotas.ts';
import { createInTurn, quotaExceeded } from './tenant-quota.ts';
import { fetchPage, type Page, type PageRequest } from './page.ts';

/** What lists show of a key. */
export interface ApiKey {
  id: string;
  keyId: string;
  tenantId: string;
  name: string;
  permissions: Permission[];
  extensionPermissions: HeldPermission[];
  expiresAt?: Date;
  revokedAt?: Date;
  createdBy: string;
  createdAt: Date;
}

/** What authentication needs on top. */
export interface ApiKeyCredential extends ApiKey {
  /** sha256 of the secret half. */
  digest: Buffer;
}

export interface NewApiKey {
  keyId: string;
  name: string;
  digest: Buffer;
  permissions: readonly Permission[];
  extensionPermissions?: readonly HeldPermission[] | undefined;
  expiresAt?: Date | undefined;
  createdBy: string;
}

interface ApiKeyRow {
  id: string;
  key_id: string;
  tenant_id: string;
  name: string;
  digest: Buffer;
  permissions: Permission[];
  extension_permissions: HeldPermission[] | null;
  expires_at: Date | null;
  revoked_at: Date | null;
  created_by: string;
  created_at: Date;
}

export type ApiKeyStore = ReturnType<typeof createApiKeyStore>;

export function createApiKeyStore(db: Knex) {
  const inTurn = createInTurn(db, 'api-keys');
  const newRow = (tenantId: string, key: NewApiKey) => ({
    id: randomUUID(),
    key_id: key.keyId,
    tenant_id: tenantId,
    name: key.name,
    digest: key.digest,
    permissions: key.permissions,
    extension_permissions: key.extensionPermissions?.length ? JSON.stringify(key.extensionPermissions) : null,
    expires_at: key.expiresAt ?? null,
    created_by: key.createdBy,
  });

  return {
    /** Throws QUOTA_EXCEEDED if the tenant has as many live keys as it may. */
    async create(tenantId: string, key: NewApiKey): Promise<ApiKey> {
      return inTurn(tenantId, async (trx) => {
        const [{ count }] = (await trx('api_key')
          .where({ tenant_id: tenantId })
          .whereNull('revoked_at')
          .where((live) => void live.whereNull('expires_at').orWhere('expires_at', '>', trx.fn.now()))
          .count({ count: '*' })) as [{ count: number }];
        if (count >= TENANT_QUOTAS.apiKeys) {
          throw quotaExceeded(`the tenant has ${count} API keys, the most it may have; revoke some first`);
        }
        const [row] = (await trx('api_key').insert(newRow(tenantId, key)).returning('*')) as [ApiKeyRow];
        return toApiKey(row);
      });
    },

    /** For seeding: a key that is there already stays as it is, revoked or not. */
    async ensure(tenantId: string, key: NewApiKey): Promise<void> {
      await db('api_key').insert(newRow(tenantId, key)).onConflict('key_id').ignore();
    },

    /** The one verb without a tenant: the key is what names it. Expired and revoked keys are found too. */
    async findByKeyId(keyId: string): Promise<ApiKeyCredential | undefined> {
      const row = (await db('api_key').where({ key_id: keyId }).first()) as ApiKeyRow | undefined;
      return row && { ...toApiKey(row), digest: row.digest };
    },

    async find(tenantId: string, id: string): Promise<ApiKey | undefined> {
      const row = (await db('api_key').where({ tenant_id: tenantId, id }).first()) as ApiKeyRow | undefined;
      return row && toApiKey(row);
    },

    list(tenantId: string, page: PageRequest): Promise<Page<ApiKey>> {
      const query = db('api_key').where({ tenant_id: tenantId }).select('*');
      return fetchPage(db, query, { time: 'created_at', id: 'id' }, page, toApiKey);
    },

    /** False if the tenant has no such key; revoking twice is no error and keeps the first time. */
    async revoke(tenantId: string, id: string): Promise<boolean> {
      const updated = await db('api_key')
        .where({ tenant_id: tenantId, id })
        .update({ revoked_at: db.raw('coalesce(revoked_at, now())') });
      return updated > 0;
    },

    /** Revokes a key, the keys that were made with it, those made with them, and so on. */
    async revokeFamily(tenantId: string, id: string, reach: 'own-tenant' | 'everywhere'): Promise<void> {
      // `union`, not `union all`: it ends though keys may have been said to make each other.
      await db.raw(
        `with recursive family as (
           select tenant_id, key_id from api_key where tenant_id = :tenantId and id = :id
           union
           select made.tenant_id, made.key_id
             from api_key made join family on made.created_by = family.key_id
            where :everywhere or made.tenant_id = :tenantId)
         update api_key set revoked_at = now()
          where revoked_at is null and key_id = any (array(select key_id from family))`,
        { tenantId, id, everywhere: reach === 'everywhere' },
      );
    },
  };
}

function toApiKey(row: ApiKeyRow): ApiKey {
  return {
    id: row.id,
    keyId: row.key_id,
    tenantId: row.tenant_id,
    name: row.name,
    permissions: row.permissions,
    extensionPermissions: row.extension_permissions ?? [],
    ...(row.expires_at && { expiresAt: row.expires_at }),
    ...(row.revoked_at && { revokedAt: row.revoked_at }),
    createdBy: row.created_by,
    createdAt: row.created_at,
  };
}
