import type { Knex } from 'knex';

export async function up(db: Knex): Promise<void> {
  await db.raw(`
    -- How far housekeeping has looked through what it reads in the order of time.
    create table housekeeping_mark (
      sweep text primary key,
      until timestamptz not null
    );
    insert into housekeeping_mark (sweep, until)
      select 'executions', coalesce(min(started_at), now()) from extension_execution_log;

    -- Executions that are left running, whoever's. The log grows in the order of time, so ranges of blocks tell it apart; unlike an index
    -- on rows, this costs a call nothing (docs/decisions/0017-what-is-left-behind.md).
    create index extension_execution_log_by_start on extension_execution_log
      using brin (started_at) with (pages_per_range = 16, autosummarize = on);

    -- Uploads that nobody finalized, publishes and installs that no workflow has moved for a while.
    create index extension_upload_unfinalized on extension_upload (expires_at) where status = 'uploading';
    create index extension_upload_running on extension_upload (updated_at, upload_id)
      where status in ('verifying', 'precompiling', 'registering');
    create index tenant_extension_install_beginning on tenant_extension_install (updated_at, install_id)
      where status in ('installing', 'awaiting-consent');
  `);
}

export async function down(db: Knex): Promise<void> {
  await db.raw(`
    drop index tenant_extension_install_beginning;
    drop index extension_upload_running;
    drop index extension_upload_unfinalized;
    drop index extension_execution_log_by_start;
    drop table housekeeping_mark;
  `);
}
