import type { Knex } from 'knex';
import { MAX_ENVELOPES } from '../../core/dsse-envelope.ts';
import { PlatformError } from '../../core/errors.ts';
import type { FailureReason, VersionStatus } from '../../core/progress.ts';
import { tooManySignatures, type StoredSignature } from '../signatures/stored-envelopes.ts';

export type SignatureStore = ReturnType<typeof createSignatureStore>;

/** Envelopes beside bundles, by the names that they have there. */
export function createSignatureStore(db: Knex) {
  return {
    async list(contentHash: string): Promise<StoredSignature[]> {
      const rows = (await db('extension_signature')
        .where({ content_hash: contentHash })
        .orderBy(['received_at', 'digest'])) as { digest: string; received_at: Date }[];
      return rows.map((row) => ({ digest: row.digest, receivedAt: row.received_at.toISOString() }));
    },

    /** Whether the tenant may add a signature to a version. Throws NOT_FOUND, PUBLISHER_NOT_YOURS or VERSION_REVOKED. */
    async checkSignable(tenantId: string, versionId: string): Promise<void> {
      await signable(db, tenantId, versionId);
    },

    /**
     * Writes an envelope of a version's bundle down, and that all versions of the bundle are to be judged anew; a second time changes
     * nothing. Throws what checkSignable throws, and STATE_CONFLICT if as many are there as are kept.
     */
    async add(tenantId: string, versionId: string, digest: string): Promise<void> {
      await db.transaction(async (trx) =>
        recordSignature(trx, await signable(trx, tenantId, versionId), digest),
      );
    },
  };
}

/** The content of the version, whose publisher stays the tenant's until the transaction ends, if it is one. */
async function signable(db: Knex | Knex.Transaction, tenantId: string, versionId: string): Promise<string> {
  const row = (await db('extension_version as v')
    .join('extension_registry as e', 'e.extension_id', 'v.extension_id')
    .join('extension_publisher as p', 'p.slug', 'e.publisher_slug')
    .where('v.version_id', versionId)
    .forShare('p')
    .first('v.content_hash', 'v.status', 'v.status_reason', 'p.tenant_id', 'p.name')) as
    | {
        content_hash: string;
        status: VersionStatus;
        status_reason: FailureReason | null;
        tenant_id: string;
        name: string;
      }
    | undefined;
  if (!row) throw new PlatformError('NOT_FOUND', 'there is no such version');
  if (row.tenant_id !== tenantId) {
    throw new PlatformError(
      'PUBLISHER_NOT_YOURS',
      `the publisher ${JSON.stringify(row.name)} belongs to another tenant; only that one adds signatures to its versions`,
    );
  }
  if (row.status === 'revoked') {
    throw new PlatformError(
      'VERSION_REVOKED',
      row.status_reason?.message ?? 'an operator revoked the version',
    );
  }
  return row.content_hash;
}

/** Once for all who write signatures of a bundle down: they come one after the other. */
export async function recordSignature(
  trx: Knex.Transaction,
  contentHash: string,
  digest: string,
): Promise<void> {
  await trx('extension_bundle').where({ content_hash: contentHash }).forUpdate().first('content_hash');
  const there = await trx('extension_signature')
    .where({ content_hash: contentHash })
    .pluck<string[]>('digest');
  if (there.includes(digest)) return;
  if (there.length >= MAX_ENVELOPES) throw tooManySignatures();
  await trx('extension_signature').insert({ content_hash: contentHash, digest });
  // Another value than any before: what was judged meanwhile without the signature is not written down.
  await trx('extension_version')
    .where({ content_hash: contentHash })
    .whereNot('status', 'revoked')
    .update({ trust_revision: trx.raw('least(trust_revision, 0) - 1') });
}
