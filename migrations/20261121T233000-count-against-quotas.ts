import type { Knex } from 'knex';

export async function up(db: Knex): Promise<void> {
  await db.raw(`
    -- What a tenant has at once is counted before more is added, and nothing else of the tenant is read for that.
    create index extension_upload_open on extension_upload (tenant_id) include (announced_size)
      where status in ('uploading', 'verifying', 'precompiling', 'registering');
    create index install_draft_waiting on install_draft (tenant_id, expires_at);
    create index api_key_live on api_key (tenant_id) where revoked_at is null;
  `);
}

export async function down(db: Knex): Promise<void> {
  await db.raw(
    'drop index api_key_live; drop index install_draft_waiting; drop index extension_upload_open;',
  );
}
