import type { Knex } from 'knex';

export async function up(db: Knex): Promise<void> {
  await db.raw(`
    -- Of an install that is or is being uninstalled: what it was, as long as it can be restored; null of one that never served, or whose
    -- purge has begun. purge_at stands from the uninstall until nothing is left.
    alter table tenant_extension_install
      add column restores_to text check (restores_to in ('active', 'paused', 'disabled', 'quarantined')),
      add column purge_at    timestamptz;
    create index tenant_extension_install_to_purge on tenant_extension_install (tenant_id, install_id)
      where status = 'uninstalled' and purge_at is not null;
  `);
}

export async function down(db: Knex): Promise<void> {
  await db.raw(`
    drop index tenant_extension_install_to_purge;
    alter table tenant_extension_install drop column restores_to, drop column purge_at;
  `);
}
