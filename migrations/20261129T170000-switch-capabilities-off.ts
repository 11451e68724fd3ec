import type { Knex } from 'knex';

export async function up(db: Knex): Promise<void> {
  await db.raw(`
    -- Names of capabilities that no install of the tenant has, whatever is granted.
    alter table tenant
      add column capabilities_off text[] not null default '{}'
        constraint tenant_capabilities_off_length check (cardinality(capabilities_off) <= 100);
  `);
}

export async function down(db: Knex): Promise<void> {
  await db.raw('alter table tenant drop column capabilities_off');
}
