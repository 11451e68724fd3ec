import type { Knex } from 'knex';

export async function up(db: Knex): Promise<void> {
  await db.raw(`
    -- What the bytes of an upload were announced to come as; null if that was left open.
    alter table extension_upload
      add column content_type text
        constraint extension_upload_content_type check (content_type in ('application/zstd', 'application/octet-stream'));
  `);
}

export async function down(db: Knex): Promise<void> {
  await db.raw('alter table extension_upload drop column content_type');
}
