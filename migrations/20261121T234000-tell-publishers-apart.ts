import type { Knex } from 'knex';

export async function up(db: Knex): Promise<void> {
  await db.raw(`
    -- Two slugs that differ only in their dashes read alike: the first to come has them. Those that were there before both stay.
    alter table extension_publisher add column is_lookalike boolean not null default false;
    update extension_publisher p set is_lookalike = true
      where exists (select from extension_publisher earlier
                     where replace(earlier.slug, '-', '') = replace(p.slug, '-', '')
                       and (earlier.created_at, earlier.slug) < (p.created_at, p.slug));
    -- A process of the release before cannot register a lookalike: it tries again until a newer one refuses it.
    create unique index extension_publisher_read on extension_publisher (replace(slug, '-', ''))
      where not is_lookalike;
  `);
}

export async function down(db: Knex): Promise<void> {
  await db.raw(`
    drop index extension_publisher_read;
    alter table extension_publisher drop column is_lookalike;
  `);
}
