import type { Knex } from 'knex';

export async function up(db: Knex): Promise<void> {
  await db.raw(`
    -- A draft stands for its request until a workflow takes it up: the same request, sent again, finds it by its digest, and an install
    -- that has no row yet is read from it. Expired, it loses what it holds and is kept for a while to say so.
    alter table install_draft
      add column digest text,
      add column kind   text not null default 'configure' check (kind in ('install', 'configure'));
    create unique index install_draft_by_digest on install_draft (tenant_id, digest);
    create index install_draft_by_install on install_draft (tenant_id, install_id) where kind = 'install';
  `);
}

export async function down(db: Knex): Promise<void> {
  await db.raw('alter table install_draft drop column digest, drop column kind;');
}
