import type { Knex } from 'knex';

export async function up(db: Knex): Promise<void> {
  await db.raw(`
    -- Unique within the tenant, so that the tables can be distributed by it. Of an upload the primary key says so already.
    alter table extension_upload drop constraint extension_upload_upload_id_key;
    alter table api_key
      drop constraint api_key_id_key,
      add constraint api_key_tenant_id_id_key unique (tenant_id, id);

    -- Lists, each in its order.
    create index tenant_by_time on tenant (created_at, tenant_id);
    create index extension_registry_by_time on extension_registry (created_at, extension_id);
    create index extension_version_by_time on extension_version (extension_id, published_at, version_id);
    -- Records are listed in the order of their keys' bytes, whatever the database's collation.
    alter table extension_storage_record alter column key type text collate "C";

    -- Whether a bundle's UI is served, asked by strangers.
    create index extension_version_by_hash on extension_version (content_hash);
    create index tenant_extension_install_serving on tenant_extension_install (active_version_id)
      where status in ('active', 'paused');
  `);
}

export async function down(db: Knex): Promise<void> {
  await db.raw(`
    drop index tenant_extension_install_serving;
    drop index extension_version_by_hash;
    alter table extension_storage_record alter column key type text collate "default";
    drop index extension_version_by_time;
    drop index extension_registry_by_time;
    drop index tenant_by_time;
    alter table api_key drop constraint api_key_tenant_id_id_key, add constraint api_key_id_key unique (id);
    alter table extension_upload add constraint extension_upload_upload_id_key unique (upload_id);
  `);
}
