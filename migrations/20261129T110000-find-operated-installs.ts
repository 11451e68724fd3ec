import type { Knex } from 'knex';

export async function up(db: Knex): Promise<void> {
  await db.raw(`
    -- Installs that a workflow should own: those on their way to serving, and those that are operated on while they are there.
    create index tenant_extension_install_under_way on tenant_extension_install (updated_at, install_id)
      where operation is not null or status in ('installing', 'awaiting-consent');
    drop index tenant_extension_install_beginning;
  `);
}

export async function down(db: Knex): Promise<void> {
  await db.raw(`
    create index tenant_extension_install_beginning on tenant_extension_install (updated_at, install_id)
      where status in ('installing', 'awaiting-consent');
    drop index tenant_extension_install_under_way;
  `);
}
