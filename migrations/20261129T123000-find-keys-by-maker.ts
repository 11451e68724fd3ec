import type { Knex } from 'knex';

export async function up(db: Knex): Promise<void> {
  await db.raw('create index api_key_by_maker on api_key (created_by)');
}

export async function down(db: Knex): Promise<void> {
  await db.raw('drop index api_key_by_maker');
}
