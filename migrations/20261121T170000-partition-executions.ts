import type { Knex } from 'knex';

// Why each index is here, and what it costs a call: docs/decisions/0011-executions-by-day.md.
//
// The rows there are become the legacy partition, uncopied. It ends at the second midnight (UTC) from now: waiting for the lock may pass
// the first, and rows that were written meanwhile belong to it.

export async function up(db: Knex): Promise<void> {
  await db.raw(`
    lock table extension_execution_log in access exclusive mode;
    alter table extension_execution_log rename to extension_execution_log_legacy;
    drop index extension_execution_log_by_time;
    alter table extension_execution_log_legacy
      drop constraint extension_execution_log_pkey,
      drop constraint extension_execution_log_status_check,
      drop constraint extension_execution_log_check,
      drop constraint extension_execution_log_check1,
      add constraint extension_execution_log_status check (status in ('running', 'succeeded', 'failed', 'interrupted')),
      add constraint extension_execution_log_error check ((status = 'failed') = (error_code is not null)),
      add constraint extension_execution_log_ended check (status in ('running', 'interrupted') or duration_ms is not null);
    -- Ids from before partitions do not tell the time, so here alone they need an index of their own.
    create unique index extension_execution_log_legacy_by_id on extension_execution_log_legacy (tenant_id, execution_id);

    -- execution_id is a UUIDv7 and started_at the time in it.
    create table extension_execution_log (
      like extension_execution_log_legacy including defaults including constraints,
      primary key (tenant_id, started_at, execution_id),
      constraint extension_execution_log_tenant_id_fkey foreign key (tenant_id) references tenant
    ) partition by range (started_at);
    create index extension_execution_log_by_install
      on extension_execution_log (tenant_id, install_id, started_at, execution_id);
    create index extension_execution_log_by_request
      on extension_execution_log (tenant_id, request_id, started_at, execution_id);
    -- error_code and not status: a column that success leaves as it is, so that ending a row does not rewrite its index entries.
    create index extension_execution_log_failed
      on extension_execution_log (tenant_id, started_at, execution_id) where error_code is not null;
    create index extension_execution_log_failed_by_install
      on extension_execution_log (tenant_id, install_id, started_at, execution_id) where error_code is not null;

    do $$
      declare
        today constant date := (now() at time zone 'UTC')::date;
        midnight timestamptz;
      begin
        execute format('alter table extension_execution_log attach partition extension_execution_log_legacy
                        for values from (minvalue) to (%L)', (today + 2)::timestamp at time zone 'UTC');
        for day in 2..14 loop
          midnight := (today + day)::timestamp at time zone 'UTC';
          execute format('create table %I partition of extension_execution_log for values from (%L) to (%L)',
                         'extension_execution_log_' || to_char(today + day, 'YYYYMMDD'), midnight, midnight + interval '24 hours');
        end loop;
      end
    $$;
    -- A call must not fail because nobody made its day.
    create table extension_execution_log_default partition of extension_execution_log default;
  `);
}

export async function down(db: Knex): Promise<void> {
  await db.raw(`
    alter table extension_execution_log detach partition extension_execution_log_legacy;
    insert into extension_execution_log_legacy select * from extension_execution_log;
    drop table extension_execution_log;
    alter table extension_execution_log_legacy rename to extension_execution_log;
    do $$
      declare index regclass;
      begin
        for index in select indexrelid from pg_index where indrelid = 'extension_execution_log'::regclass and not indisprimary loop
          execute 'drop index ' || index;
        end loop;
      end
    $$;
    alter table extension_execution_log
      drop constraint extension_execution_log_legacy_pkey,
      drop constraint extension_execution_log_status,
      drop constraint extension_execution_log_error,
      drop constraint extension_execution_log_ended,
      add constraint extension_execution_log_pkey primary key (tenant_id, execution_id),
      add constraint extension_execution_log_status_check check (status in ('running', 'succeeded', 'failed')),
      add constraint extension_execution_log_check check ((status = 'failed') = (error_code is not null)),
      add constraint extension_execution_log_check1 check (status = 'running' or duration_ms is not null);
    create index extension_execution_log_by_time on extension_execution_log (tenant_id, started_at desc, execution_id);
  `);
}
