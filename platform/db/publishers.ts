import type { Knex } from 'knex';
import { PlatformError } from '../../core/errors.ts';
import { publisherSlug } from '../../core/ids.ts';
import { manifestInvalid } from '../../core/manifest/manifest.ts';
import { publisherNameFaults } from '../../core/manifest/publisher-name.ts';

interface PublisherRow {
  slug: string;
  name: string;
  tenant_id: string;
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
  const slug = publisherSlug(publisher);
  const rows = (await db('extension_publisher')
    .where({ slug })
    .orWhereRaw(`(replace(slug, '-', '') = ? and not is_lookalike)`, [slug.replaceAll('-', '')])
    .select('slug', 'name', 'tenant_id')) as PublisherRow[];
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

/** The same, and from now on it is the tenant's. */
export async function claimPublisher(
  trx: Knex.Transaction,
  tenantId: string,
  publisher: string,
): Promise<string> {
  const { slug, isNew } = await checkPublisher(trx, tenantId, publisher);
  if (!isNew) return slug;
  const made = (await trx('extension_publisher')
    .insert({ slug, name: publisher, tenant_id: tenantId })
    .onConflict()
    .ignore()
    .returning('slug')) as unknown[];
  // The unique indexes decide between publishes at once: another was first, with this slug or one like it.
  if (made.length === 0) await checkPublisher(trx, tenantId, publisher);
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
