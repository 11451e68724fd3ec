import type { Knex } from 'knex';

export async function up(db: Knex): Promise<void> {
  await db.raw(`
    -- One row per extension in a tenant for ever; a new attempt after failed, declined or uninstalled takes it up again.
    create table tenant_extension_install (
      tenant_id         uuid not null references tenant,
      install_id        uuid not null unique,
      extension_id      uuid not null references extension_registry,
      active_version_id uuid references extension_version,
      target_version_id uuid not null references extension_version,
      status            text not null check (status in
        ('installing', 'awaiting-consent', 'awaiting-settings', 'declined', 'active', 'disabled', 'paused',
         'quarantined', 'failed', 'uninstalling', 'uninstalled')),
      steps             jsonb not null default '[]',
      pending           jsonb,
      error             jsonb,
      secrets_version   integer not null default 0,
      applied_draft_id  uuid,
      created_at        timestamptz not null default now(),
      updated_at        timestamptz not null default now(),
      primary key (tenant_id, install_id),
      unique (tenant_id, extension_id),
      check (status <> 'active' or active_version_id is not null),
      check (status not in ('installing', 'awaiting-consent', 'awaiting-settings', 'declined', 'failed', 'uninstalled')
             or active_version_id is null),
      check (status <> 'failed' or error is not null)
    );

    create table tenant_extension_install_config (
      tenant_id  uuid not null,
      install_id uuid not null,
      config     jsonb not null check (jsonb_typeof(config) = 'object'),
      version    integer not null check (version > 0),
      updated_at timestamptz not null default now(),
      primary key (tenant_id, install_id),
      foreign key (tenant_id, install_id) references tenant_extension_install
    );

    -- sealed: HPKE ciphertext to the runner's key, bound to tenant, install and name. Nobody but a runner can open it.
    create table tenant_extension_install_secrets (
      tenant_id  uuid not null,
      install_id uuid not null,
      name       text not null,
      sealed     text not null,
      key_id     text not null,
      updated_at timestamptz not null default now(),
      primary key (tenant_id, install_id, name),
      foreign key (tenant_id, install_id) references tenant_extension_install
    );

    create table tenant_extension_grant (
      tenant_id  uuid not null,
      install_id uuid not null,
      capability text not null,
      scope      jsonb not null check (jsonb_typeof(scope) = 'object'),
      granted_by text not null,
      granted_at timestamptz not null default now(),
      primary key (tenant_id, install_id, capability),
      foreign key (tenant_id, install_id) references tenant_extension_install
    );

    -- What the gateway prepared for a workflow: settings, and secrets already sealed. Gone once applied, or when expired.
    create table install_draft (
      tenant_id  uuid not null references tenant,
      draft_id   uuid not null,
      install_id uuid not null,
      config     jsonb,
      secrets    jsonb,
      expires_at timestamptz not null,
      created_at timestamptz not null default now(),
      primary key (tenant_id, draft_id)
    );
    create index install_draft_by_expiry on install_draft (expires_at);
  `);
}

export async function down(db: Knex): Promise<void> {
  await db.raw(`
    drop table install_draft;
    drop table tenant_extension_grant;
    drop table tenant_extension_install_secrets;
    drop table tenant_extension_install_config;
    drop table tenant_extension_install;
  `);
}
