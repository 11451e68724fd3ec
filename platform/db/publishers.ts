import type { Knex } from 'knex';
import { PlatformError } from '../../core/errors.ts';
import { publisherSlug } from '../../core/ids.ts';
import { manifestInvalid } from '../../core/manifest/manifest.ts';
import { publisherNameFaults } from '../../core/manifest/publisher-name.ts';

interface PublisherRow {
  slug: string;
  name: string;
  tenant_id: string;
  created_at: Date;
  last_transfer: Publisher['lastTransfer'] | null;
}

export interface Publisher {
  /** Its slug. */
  publisher: string;
  name: string;
  tenantId: string;
  createdAt: Date;
  lastTransfer?: { from: string; reason: string; requestedBy: string; at: string };
}

export interface PublisherTransfer {
  slug: string;
  /** Who gets it. */
  tenantId: string;
  reason: string;
  requestedBy: string;
}

export type PublisherStore = ReturnType<typeof createPublisherStore>;

export function createPublisherStore(db: Knex) {
  return {
    async find(slug: string): Promise<Publisher | undefined> {
      const row = (await db('extension_publisher').where({ slug }).first()) as PublisherRow | undefined;
      return row && toPublisher(row);
    },

    /** A second time changes nothing. Waits for versions that are being registered under the name. Throws NOT_FOUND. */
    async transfer({ slug, tenantId, reason, requestedBy }: PublisherTransfer): Promise<void> {
      await db.transaction(async (trx) => {
        const row = (await trx('extension_publisher').where({ slug }).forUpdate().first()) as
          PublisherRow | undefined;
        const tenant = (await trx('tenant').where({ tenant_id: tenantId }).first('tenant_id')) as unknown;
        if (!row || !tenant) {
          throw new PlatformError('NOT_FOUND', `there is no such ${row ? 'tenant' : 'publisher'}`);
        }
        if (row.tenant_id === tenantId) return;
        const lastTransfer = { from: row.tenant_id, reason, requestedBy, at: new Date().toISOString() };
        await trx('extension_publisher')
          .where({ slug })
          .update({ tenant_id: tenantId, last_transfer: JSON.stringify(lastTransfer) });
      });
    },
  };
}

function toPublisher(row: PublisherRow): Publisher {
  return {
    publisher: row.slug,
    name: row.name,
    tenantId: row.tenant_id,
    createdAt: row.created_at,
    ...(row.last_transfer && { lastTransfer: row.last_transfer }),
  };
}

/**
 * Whether the tenant may publish under the name, and its slug. Throws PUBLISHER_NOT_YOURS if it, or one that reads like it, is another
 * tenant's; MANIFEST_INVALID if it is new and its slug loses letters, or reads like another of the tenant's own.
 */
export async function checkPublisher(
  db: Knex,
  tenantId: string,
  publisher: string,
): Promise<{ slug: string; isNew: boolean }> {
  return judgePublisher(publishersLike(db, publisherSlug(publisher)), tenantId, publisher);
}

function publishersLike(db: Knex, slug: string): Knex.QueryBuilder {
  return db('extension_publisher')
    .where({ slug })
    .orWhereRaw(`(replace(slug, '-', '') = ? and not is_lookalike)`, [slug.replaceAll('-', '')])
    .select('slug', 'name', 'tenant_id');
}

async function judgePublisher(
  like: Knex.QueryBuilder,
  tenantId: string,
  publisher: string,
): Promise<{ slug: string; isNew: boolean }> {
  const slug = publisherSlug(publisher);
  const rows = (await like) as PublisherRow[];
  const registered = rows.find((row) => row.slug === slug);
  if (registered?.tenant_id !== tenantId || registered.name !== publisher) {
    const faults = publisherNameFaults(publisher);
    if (faults.length > 0) throw manifestInvalid(faults);
  }
  const taken = registered ?? rows[0];
  if (taken && taken.tenant_id !== tenantId) throw notYours(publisher, slug, taken);
  if (taken && !registered) throw writtenOtherwise(slug, taken);
  return { slug, isNew: !registered };
}

/** The same, and from now on it is the tenant's: it is given to no other before the transaction has ended. */
export async function claimPublisher(
  trx: Knex.Transaction,
  tenantId: string,
  publisher: string,
): Promise<string> {
  const claim = (): ReturnType<typeof checkPublisher> =>
    judgePublisher(publishersLike(trx, publisherSlug(publisher)).forShare(), tenantId, publisher);
  const { slug, isNew } = await claim();
  if (!isNew) return slug;
  const made = (await trx('extension_publisher')
    .insert({ slug, name: publisher, tenant_id: tenantId })
    .onConflict()
    .ignore()
    .returning('slug')) as unknown[];
  // The unique indexes decide between publishes at once: another was first, with this slug or one like it.
  if (made.length === 0) await claim();
  return slug;
}

function notYours(publisher: string, slug: string, taken: PublisherRow): PlatformError {
  const which = taken.slug === slug ? 'belongs' : `reads like "${taken.slug}", which belongs`;
  return new PlatformError(
    'PUBLISHER_NOT_YOURS',
    `publisher ${JSON.stringify(publisher)}, whose slug is "${slug}", ${which} to another tenant; publish under your own name`,
  );
}

function writtenOtherwise(slug: string, taken: PublisherRow): PlatformError {
  const name = JSON.stringify(taken.name);
  const message = `has the slug "${slug}", which reads like "${taken.slug}" of your publisher ${name}; write ${name}`;
  return manifestInvalid([{ path: 'publisher', code: 'lookalike', message }]);
}
