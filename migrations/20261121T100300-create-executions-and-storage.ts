import type { Knex } from 'knex';

export async function up(db: Knex): Promise<void> {
  await db.raw(`
    -- Written before dispatch, ended after; a row left 'running' by a crash is an execution whose outcome is unknown.
    create table extension_execution_log (
      tenant_id      uuid not null references tenant,
      execution_id   uuid not null,
      install_id     uuid not null,
      extension_id   uuid not null,
      version_id     uuid not null,
      content_hash   text not null,
      request_id     text not null,
      trigger        text not null,
      method         text not null,
      path           text not null,
      principal      text not null,
      status         text not null default 'running' check (status in ('running', 'succeeded', 'failed')),
      http_status    integer,
      error_code     text,
      duration_ms    double precision,
      cpu_ms         double precision,
      fuel           bigint,
      memory_bytes   bigint,
      request_bytes  bigint not null,
      response_bytes bigint,
      started_at     timestamptz not null default now(),
      primary key (tenant_id, execution_id),
      check ((status = 'failed') = (error_code is not null)),
      check (status = 'running' or duration_ms is not null)
    );
    create index extension_execution_log_by_time on extension_execution_log (tenant_id, started_at desc, execution_id);

    create sequence extension_storage_revision;

    create table extension_storage_record (
      tenant_id  uuid not null,
      install_id uuid not null,
      namespace  text not null check (length(namespace) between 1 and 128),
      key        text not null check (length(key) between 1 and 512),
      value      bytea not null check (octet_length(value) <= 65536),
      revision   bigint not null check (revision > 0),
      created_at timestamptz not null default now(),
      updated_at timestamptz not null default now(),
      primary key (tenant_id, install_id, namespace, key),
      foreign key (tenant_id, install_id) references tenant_extension_install
    );
  `);
}

export async function down(db: Knex): Promise<void> {
  await db.raw(
    'drop table extension_storage_record; drop sequence extension_storage_revision; drop table extension_execution_log;',
  );
}
