import type { Knex } from 'knex';

/** Code from before addresses columns and keys that are gone. */
export const breaking = true;

export async function up(db: Knex): Promise<void> {
  await db.raw(`
    -- status says what is served; operation says what runs: {kind, workflowId, startedAt}. pending_version_id is the version on its
    -- way (or, of an install that never served, the one it was to serve); waiting_for is whom or what it waits for, with no
    -- operation running; pending_digest tells whether a repeated request asks for the same.
    alter table tenant_extension_install
      add column pending_version_id uuid references extension_version,
      add column pending_digest     text,
      add column waiting_for        text check (waiting_for in ('consent', 'settings')),
      add column operation          jsonb check (jsonb_typeof(operation) = 'object'),
      add column config_version     integer not null default 0;

    update tenant_extension_install
       set pending_version_id = case when active_version_id is null then target_version_id end,
           waiting_for = case status when 'awaiting-consent' then 'consent' when 'awaiting-settings' then 'settings' end,
           operation = case when status in ('installing', 'awaiting-consent') then jsonb_build_object(
             'kind', 'install',
             'workflowId', 'install:' || tenant_id || ':' || extension_id,
             'startedAt', to_char(updated_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')) end;
    update tenant_extension_install i set config_version = c.version
      from tenant_extension_install_config c
     where c.tenant_id = i.tenant_id and c.install_id = i.install_id;

    alter table tenant_extension_install
      drop column target_version_id,
      drop column pending,
      drop constraint tenant_extension_install_install_id_key,
      drop constraint tenant_extension_install_tenant_id_extension_id_key,
      add constraint tenant_extension_install_has_version check (coalesce(active_version_id, pending_version_id) is not null),
      add constraint tenant_extension_install_waits_with_version check (waiting_for is null or pending_version_id is not null),
      add constraint tenant_extension_install_served check (
        status not in ('disabled', 'paused', 'quarantined') or active_version_id is not null);

    -- A reinstall is a row of its own; at most one is alive.
    create unique index tenant_extension_install_live on tenant_extension_install (tenant_id, extension_id)
      where status not in ('failed', 'declined', 'uninstalled');
    create index tenant_extension_install_by_time on tenant_extension_install (tenant_id, created_at, install_id);
    create index tenant_extension_install_by_tenant_extension on tenant_extension_install (tenant_id, extension_id, created_at);
    create index tenant_extension_install_by_active_version on tenant_extension_install (active_version_id);
    create index tenant_extension_install_by_pending_version on tenant_extension_install (pending_version_id)
      where pending_version_id is not null;
    create index tenant_extension_install_by_extension on tenant_extension_install (extension_id);

    -- Config and grants belong to a version of the install: a new version is probed with its own while the old one serves, and going
    -- back finds what was there. version is a stamp: it only rises over an install's life.
    alter table tenant_extension_install_config add column version_id uuid references extension_version;
    update tenant_extension_install_config c set version_id = coalesce(i.active_version_id, i.pending_version_id)
      from tenant_extension_install i where i.tenant_id = c.tenant_id and i.install_id = c.install_id;
    alter table tenant_extension_install_config
      drop constraint tenant_extension_install_config_pkey,
      drop constraint tenant_extension_install_config_tenant_id_install_id_fkey,
      add primary key (tenant_id, install_id, version_id),
      add foreign key (tenant_id, install_id) references tenant_extension_install on delete cascade;

    alter table tenant_extension_grant add column version_id uuid references extension_version;
    update tenant_extension_grant g set version_id = coalesce(i.active_version_id, i.pending_version_id)
      from tenant_extension_install i where i.tenant_id = g.tenant_id and i.install_id = g.install_id;
    alter table tenant_extension_grant
      drop constraint tenant_extension_grant_pkey,
      drop constraint tenant_extension_grant_tenant_id_install_id_fkey,
      add primary key (tenant_id, install_id, version_id, capability),
      add foreign key (tenant_id, install_id) references tenant_extension_install on delete cascade;

    alter table tenant_extension_install_secrets
      drop constraint tenant_extension_install_secrets_tenant_id_install_id_fkey,
      add foreign key (tenant_id, install_id) references tenant_extension_install on delete cascade;

    -- The version a draft's settings are for. A draft whose install has no row yet cannot say; its request is sent again.
    alter table install_draft
      add column version_id uuid references extension_version,
      add column reset boolean not null default false;
    update install_draft d set version_id = coalesce(i.active_version_id, i.pending_version_id)
      from tenant_extension_install i where i.tenant_id = d.tenant_id and i.install_id = d.install_id;
    delete from install_draft where version_id is null;
    alter table install_draft alter column version_id set not null;
  `);
}

export async function down(db: Knex): Promise<void> {
  await db.raw(`
    alter table install_draft drop column version_id, drop column reset;

    alter table tenant_extension_install_secrets
      drop constraint tenant_extension_install_secrets_tenant_id_install_id_fkey,
      add foreign key (tenant_id, install_id) references tenant_extension_install;

    delete from tenant_extension_grant g using tenant_extension_install i
     where i.tenant_id = g.tenant_id and i.install_id = g.install_id
       and g.version_id <> coalesce(i.active_version_id, i.pending_version_id);
    alter table tenant_extension_grant
      drop constraint tenant_extension_grant_pkey,
      drop constraint tenant_extension_grant_tenant_id_install_id_fkey,
      drop column version_id,
      add primary key (tenant_id, install_id, capability),
      add foreign key (tenant_id, install_id) references tenant_extension_install;

    delete from tenant_extension_install_config c using tenant_extension_install i
     where i.tenant_id = c.tenant_id and i.install_id = c.install_id
       and c.version_id <> coalesce(i.active_version_id, i.pending_version_id);
    alter table tenant_extension_install_config
      drop constraint tenant_extension_install_config_pkey,
      drop constraint tenant_extension_install_config_tenant_id_install_id_fkey,
      drop column version_id,
      add primary key (tenant_id, install_id),
      add foreign key (tenant_id, install_id) references tenant_extension_install;

    drop index tenant_extension_install_live;
    drop index tenant_extension_install_by_time;
    drop index tenant_extension_install_by_tenant_extension;
    drop index tenant_extension_install_by_active_version;
    drop index tenant_extension_install_by_pending_version;
    drop index tenant_extension_install_by_extension;

    alter table tenant_extension_install add column target_version_id uuid references extension_version, add column pending jsonb;
    update tenant_extension_install set target_version_id = coalesce(pending_version_id, active_version_id);
    alter table tenant_extension_install
      alter column target_version_id set not null,
      drop constraint tenant_extension_install_has_version,
      drop constraint tenant_extension_install_waits_with_version,
      drop constraint tenant_extension_install_served,
      drop column pending_version_id,
      drop column pending_digest,
      drop column waiting_for,
      drop column operation,
      drop column config_version,
      add unique (install_id),
      add unique (tenant_id, extension_id);
  `);
}
