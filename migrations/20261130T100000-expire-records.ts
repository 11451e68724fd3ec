import type { Knex } from 'knex';

export async function up(db: Knex): Promise<void> {
  await db.raw(`
    -- From then on a record is not there any more, whether or not it has been removed.
    alter table extension_storage_record add column expires_at timestamptz;

    -- What housekeeping removes, and what makes room in an install that is full.
    create index extension_storage_record_expiring on extension_storage_record (expires_at)
      where expires_at is not null;
    create index extension_storage_record_expiring_by_install
      on extension_storage_record (tenant_id, install_id, expires_at) where expires_at is not null;

    -- A counter that is counted up stays in its page, and in the entries that indexes have of it.
    alter table extension_storage_record set (fillfactor = 90);
    alter table extension_storage_usage set (fillfactor = 70);
  `);
}

export async function down(db: Knex): Promise<void> {
  await db.raw(`
    alter table extension_storage_usage reset (fillfactor);
    alter table extension_storage_record reset (fillfactor);
    drop index extension_storage_record_expiring_by_install;
    drop index extension_storage_record_expiring;
    alter table extension_storage_record drop column expires_at;
  `);
}
