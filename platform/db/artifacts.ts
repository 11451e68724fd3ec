import type { Knex } from 'knex';
import type { Artifact } from '../../core/artifact.ts';

/** What is wanted: an artifact for this target, counter-signed by this key. */
export interface ArtifactGoal {
  target: string;
  keyId: string;
}

/** A live bundle without that, and the tenant whose work it is; the position is where a list may go on after it. */
export interface OutdatedBundle {
  contentHash: string;
  tenantId: string;
  position: BundlePosition;
}

/** Bundles with installs come before others, and each tenant's first before anybody's second. */
export interface BundlePosition {
  installed: boolean;
  turn: number;
  contentHash: string;
}

export type ArtifactStore = ReturnType<typeof createArtifactStore>;

/** Artifacts and the bundles they are of belong to the registry, which all tenants share. */
export function createArtifactStore(db: Knex) {
  return {
    /** Writes down what was made. Nothing while no version has that content: registering one writes it down then. */
    async record(contentHash: string, artifact: Artifact): Promise<void> {
      await recordArtifact(db, contentHash, artifact);
    },

    /** A tenant that published a version with this content; undefined if there is no published version of it. */
    async publisherOf(contentHash: string): Promise<string | undefined> {
      const row = (await db('extension_version as v')
        .join('extension_registry as e', 'e.extension_id', 'v.extension_id')
        .join('extension_publisher as p', 'p.slug', 'e.publisher_slug')
        .where({ 'v.content_hash': contentHash, 'v.status': 'published' })
        .first('p.tenant_id')) as { tenant_id: string } | undefined;
      return row?.tenant_id;
    },

    async countOutdated(goal: ArtifactGoal): Promise<number> {
      const { rows } = await db.raw<{ rows: [{ count: string }] }>(
        `select count(*) from (${LIVE_BUNDLES}) as live where ${OUTDATED}`,
        [goal.target, goal.keyId],
      );
      return Number(rows[0].count);
    },

    /** At most `limit` of them after `after`, in the order of their positions. */
    async listOutdated(
      goal: ArtifactGoal,
      { after, limit }: { after?: BundlePosition; limit: number },
    ): Promise<OutdatedBundle[]> {
      const { installed, turn, contentHash } = after ?? { installed: true, turn: 0, contentHash: '' };
      const { rows } = await db.raw<{ rows: BundleRow[] }>(
        `with live as (
           select *, row_number() over (partition by installed, tenant_id order by content_hash)::int as turn
           from (${LIVE_BUNDLES}) as bundles
         )
         select content_hash, tenant_id, installed, turn from live
         where ${OUTDATED} and (not installed, turn, content_hash) > (?, ?, ?)
         order by not installed, turn, content_hash
         limit ?`,
        [goal.target, goal.keyId, !installed, turn, contentHash, limit],
      );
      return rows.map((row) => ({
        contentHash: row.content_hash,
        tenantId: row.tenant_id,
        position: { installed: row.installed, turn: row.turn, contentHash: row.content_hash },
      }));
    },
  };
}

/** Also called while a version is registered, in its transaction. */
export async function recordArtifact(db: Knex, contentHash: string, artifact: Artifact): Promise<void> {
  const { target, sha256, sizeBytes, keyId = null } = artifact;
  await db.raw(
    `insert into extension_artifact (content_hash, target, sha256, size_bytes, key_id)
     select content_hash, ?, ?, ?, ? from extension_bundle where content_hash = ?
     on conflict (content_hash, target) do update
       set sha256 = excluded.sha256, size_bytes = excluded.size_bytes, key_id = excluded.key_id`,
    [target, sha256, sizeBytes, keyId, contentHash],
  );
}

interface BundleRow {
  content_hash: string;
  tenant_id: string;
  installed: boolean;
  turn: number;
}

/** What may be called or installed: published, or still serving somewhere. One tenant stands for all that published the same bytes. */
const LIVE_BUNDLES = `
  select v.content_hash, (array_agg(p.tenant_id order by p.tenant_id))[1] as tenant_id,
         bool_or(i.serves is not null) as installed
  from extension_version v
    join extension_registry e using (extension_id)
    join extension_publisher p on p.slug = e.publisher_slug
    left join lateral (
      select true as serves from tenant_extension_install where active_version_id = v.version_id limit 1
    ) i on true
  where v.status = 'published' or i.serves
  group by v.content_hash`;

const OUTDATED = `
  not exists (select 1 from extension_artifact a
              where a.content_hash = live.content_hash and a.target = ? and a.key_id = ?)`;
