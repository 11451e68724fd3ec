import type { Knex } from 'knex';

/** Null where there was none, so no row is written anew. */
export async function up(db: Knex): Promise<void> {
  await db.raw(`
    -- Message and stack that a guest ended with, in its own words: shown to who may debug the extension, and gone with its row.
    alter table extension_execution_log add column exception text;
  `);
}

export async function down(db: Knex): Promise<void> {
  await db.raw('alter table extension_execution_log drop column exception');
}
