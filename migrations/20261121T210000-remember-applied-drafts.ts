import type { Knex } from 'knex';

/** Code from before writes the column that is gone. */
export const breaking = true;

export async function up(db: Knex): Promise<void> {
  await db.raw(`
    -- Drafts that were applied, for a day: whoever asked can still learn that they were, whatever else was applied since.
    create table install_draft_applied (
      tenant_id  uuid not null references tenant,
      draft_id   uuid not null,
      applied_at timestamptz not null default now(),
      primary key (tenant_id, draft_id)
    );
    create index install_draft_applied_by_time on install_draft_applied (applied_at);
    insert into install_draft_applied (tenant_id, draft_id)
      select tenant_id, applied_draft_id from tenant_extension_install where applied_draft_id is not null;
    alter table tenant_extension_install drop column applied_draft_id;
  `);
}

export async function down(db: Knex): Promise<void> {
  await db.raw(`
    alter table tenant_extension_install add column applied_draft_id uuid;
    drop table install_draft_applied;
  `);
}
