import type { Knex } from 'knex';

/** The default is for processes of the release before, which do not name the column. */
export async function up(db: Knex): Promise<void> {
  await db.raw(`
    -- Whether a call may be run once more when its runner was lost and nobody knows whether it ran.
    alter table extension_api_endpoint add column retryable boolean not null default false;
  `);
}

export async function down(db: Knex): Promise<void> {
  await db.raw('alter table extension_api_endpoint drop column retryable');
}
