import type { Knex } from 'knex';

export async function up(db: Knex): Promise<void> {
  await db.raw(`
    -- Which key counter-signed it last: recompileAll looks for what the current one has not signed. Null where nobody wrote it down.
    alter table extension_artifact add column key_id text check (key_id ~ '^sha256:[0-9a-f]{64}$');
  `);
}

export async function down(db: Knex): Promise<void> {
  await db.raw(`alter table extension_artifact drop column key_id`);
}
