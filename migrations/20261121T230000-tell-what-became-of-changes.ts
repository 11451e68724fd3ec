import type { Knex } from 'knex';

export async function up(db: Knex): Promise<void> {
  await db.raw(`
    -- A change of config or secrets that came to nothing says why, for as long as an expired draft is kept; one that was applied says
    -- which stamps it led to, whatever was applied since.
    alter table install_draft add column error jsonb;
    create index install_draft_changes on install_draft (tenant_id, install_id, created_at) where kind = 'configure';
    alter table install_draft_applied add column config_version integer, add column secrets_version integer;
  `);
}

export async function down(db: Knex): Promise<void> {
  await db.raw(`
    alter table install_draft_applied drop column config_version, drop column secrets_version;
    alter table install_draft drop column error;
    drop index if exists install_draft_changes;
  `);
}
