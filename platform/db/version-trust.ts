import type { Knex } from 'knex';
import { PlatformError } from '../../core/errors.ts';
import type { FailureReason, VersionStatus } from '../../core/progress.ts';
import type { Trust } from '../../core/trust.ts';
import type { StoredSignature } from '../signatures/stored-envelopes.ts';

/** A version as its signatures are judged. */
export interface JudgedVersion {
  versionId: string;
  contentHash: string;
  /** Slug. */
  publisher: string;
  status: VersionStatus;
  statusReason?: FailureReason;
  /** Of the trust that it was judged by; less than 0, another each time, if it got a signature since. */
  revision: number;
  signatures: StoredSignature[];
}

/** Versions that were not judged by the trust of the revision, or of those the ones of a content. */
interface Unjudged {
  revision: number;
  contentHash?: string | undefined;
}

/** What became of it, by the trust of a revision; with a reason it is quarantined. */
export interface VersionVerdict {
  revision: number;
  policy: Trust['policy'];
  keyIds: readonly string[];
  reason?: FailureReason;
}

/** The place of an install in the order of their ids. */
export interface InstallPlace {
  tenantId: string;
  installId: string;
}

interface Row {
  version_id: string;
  content_hash: string;
  publisher_slug: string;
  status: VersionStatus;
  status_reason: FailureReason | null;
  trust_revision: number;
  signatures: StoredSignature[] | null;
}

/** Installs that a change is told to at once: each wakes who watches it. */
const TOLD_AT_ONCE = 200;

export type VersionTrustStore = ReturnType<typeof createVersionTrustStore>;

/** Which versions are trusted, and what their installs are told of it. */
export function createVersionTrustStore(db: Knex) {
  const versions = (): Knex.QueryBuilder =>
    db('extension_version as v')
      .join('extension_registry as e', 'e.extension_id', 'v.extension_id')
      .select(
        'v.version_id',
        'v.content_hash',
        'v.status',
        'v.status_reason',
        'v.trust_revision',
        'e.publisher_slug',
        {
          signatures:
            db.raw(`(select jsonb_agg(jsonb_build_object('digest', s.digest, 'receivedAt', to_json(s.received_at)))
            from extension_signature s where s.content_hash = v.content_hash)`),
        },
      );
  const unjudged = (query: Knex.QueryBuilder, { revision, contentHash }: Unjudged): Knex.QueryBuilder =>
    query
      .whereNot('v.status', 'revoked')
      .where('v.trust_revision', '<', revision)
      .where(contentHash === undefined ? {} : { 'v.content_hash': contentHash });

  return {
    async find(versionId: string): Promise<JudgedVersion | undefined> {
      const row = (await versions().where('v.version_id', versionId).first()) as Row | undefined;
      return row && toVersion(row);
    },

    /** Of a bundle: the first version that was made of it and may serve. */
    async findByContent(contentHash: string): Promise<JudgedVersion | undefined> {
      const row = (await versions()
        .where({ 'v.content_hash': contentHash, 'v.status': 'published' })
        .orderBy('v.published_at')
        .first()) as Row | undefined;
      return row && toVersion(row);
    },

    /** Versions that were not judged by the trust of the revision yet; those that these keys had signed first, then those with a new signature. */
    async listUnjudged(which: Unjudged, first: readonly string[], limit: number): Promise<JudgedVersion[]> {
      const rows = (await unjudged(versions(), which)
        .orderByRaw('(v.signed_by && ?::text[]) desc, v.trust_revision, v.version_id', [[...first]])
        .limit(limit)) as Row[];
      return rows.map(toVersion);
    },

    async countUnjudged(which: Unjudged): Promise<number> {
      const [row] = (await unjudged(db('extension_version as v'), which).count({ count: '*' })) as [
        { count: number },
      ];
      return row.count;
    },

    /**
     * Writes a verdict down, unless the version is not what was judged any more: it was judged by later trust, was revoked, or got another
     * signature. Answers whether its status changed.
     */
    async record({ versionId, status, revision }: JudgedVersion, verdict: VersionVerdict): Promise<boolean> {
      const now: VersionStatus = verdict.reason ? 'quarantined' : 'published';
      const updated = await db('extension_version')
        .where({ version_id: versionId, status, trust_revision: revision })
        .where('trust_revision', '<=', verdict.revision)
        .update({
          // Left out where it stays: who listens to it would look up every install for nothing.
          ...(status !== now && { status: now }),
          status_reason: verdict.reason ? JSON.stringify(verdict.reason) : null,
          trust_policy: verdict.policy,
          signed_by: verdict.keyIds,
          trust_revision: verdict.revision,
        });
      return updated > 0 && status !== now;
    },

    /** Takes a version back for good; a second time changes nothing. Throws NOT_FOUND. */
    async revoke(versionId: string, reason: FailureReason): Promise<void> {
      const updated = await db('extension_version')
        .where({ version_id: versionId })
        .whereNot({ status: 'revoked' })
        .update({ status: 'revoked', status_reason: JSON.stringify(reason) });
      if (updated > 0) return;
      const isThere = (await db('extension_version')
        .where({ version_id: versionId })
        .first('version_id')) as unknown;
      if (!isThere) throw new PlatformError('NOT_FOUND', 'there is no such version');
    },

    /** Wakes who watches installs that serve one of the versions: a page of them, and the place after which the next begins. */
    async tellInstalls(
      versionIds: readonly string[],
      after?: InstallPlace,
    ): Promise<{ told: number; after?: InstallPlace }> {
      const { rows } = await db.raw<{ rows: { tenant_id: string; install_id: string }[] }>(
        `with page as (
           select tenant_id, install_id from tenant_extension_install
            where active_version_id = any(:versionIds::uuid[]) and (tenant_id, install_id) > (:tenantId::uuid, :installId::uuid)
            order by tenant_id, install_id limit :limit)
         update tenant_extension_install i set updated_at = now()
           from page where i.tenant_id = page.tenant_id and i.install_id = page.install_id
         returning i.tenant_id, i.install_id`,
        { versionIds: [...versionIds], ...(after ?? FIRST), limit: TOLD_AT_ONCE },
      );
      const places = rows.map((row) => ({ tenantId: row.tenant_id, installId: row.install_id }));
      const last = places.sort((a, b) => (orderOf(a) < orderOf(b) ? -1 : 1)).at(-1);
      return { told: places.length, ...(last && { after: last }) };
    },
  };
}

const NIL = '00000000-0000-0000-0000-000000000000';
const FIRST: InstallPlace = { tenantId: NIL, installId: NIL };

function orderOf({ tenantId, installId }: InstallPlace): string {
  return `${tenantId} ${installId}`;
}

function toVersion(row: Row): JudgedVersion {
  return {
    versionId: row.version_id,
    contentHash: row.content_hash,
    publisher: row.publisher_slug,
    status: row.status,
    ...(row.status_reason && { statusReason: row.status_reason }),
    revision: row.trust_revision,
    signatures: row.signatures ?? [],
  };
}
