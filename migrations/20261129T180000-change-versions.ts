import type { Knex } from 'knex';

export async function up(db: Knex): Promise<void> {
  await db.raw(`
    alter table install_draft
      drop constraint install_draft_kind_check,
      add constraint install_draft_kind_check check (kind in ('install', 'configure', 'upgrade'));
    create index install_draft_by_operation on install_draft (tenant_id, install_id) where kind in ('install', 'upgrade');
    drop index install_draft_by_install;

    -- Values of settings that this version does not have, from versions before it.
    alter table tenant_extension_install_config
      add column aside jsonb not null default '{}' check (jsonb_typeof(aside) = 'object');

    -- A version that one run of a workflow is putting in the place of another. What it will be configured with stands here until the
    -- switch, so that it can be probed with it, and an undo leaves nothing. replaced: what the install had kept for it before.
    create table tenant_extension_install_change (
      tenant_id       uuid not null,
      install_id      uuid not null,
      run_id          text not null,
      kind            text not null check (kind in ('upgrade', 'rollback')),
      from_version_id uuid not null references extension_version,
      to_version_id   uuid not null references extension_version,
      switched        boolean not null default false,
      granted_by      text,
      grants          jsonb check (jsonb_typeof(grants) = 'array'),
      config          jsonb check (jsonb_typeof(config) = 'object'),
      aside           jsonb check (jsonb_typeof(aside) = 'object'),
      secrets         jsonb check (jsonb_typeof(secrets) = 'object'),
      replaced        jsonb check (jsonb_typeof(replaced) = 'object'),
      primary key (tenant_id, install_id),
      foreign key (tenant_id, install_id) references tenant_extension_install on delete cascade
    );

    -- Versions that an install served before and can go back to; their config and grants stay. expires_at: null of the latest three.
    -- rolled_back: it was left by going back, so that is not what the next one leads to unless it is named.
    create table tenant_extension_install_previous (
      tenant_id     uuid not null,
      install_id    uuid not null,
      version_id    uuid not null references extension_version,
      superseded_at timestamptz not null default now(),
      expires_at    timestamptz,
      rolled_back   boolean not null default false,
      primary key (tenant_id, install_id, version_id),
      foreign key (tenant_id, install_id) references tenant_extension_install on delete cascade
    );
    create index tenant_extension_install_previous_expiry on tenant_extension_install_previous (expires_at)
      where expires_at is not null;
    -- UI that was loaded before a switch is served for a while.
    create index tenant_extension_install_previous_by_version on tenant_extension_install_previous (version_id, superseded_at);

    -- Also those that wait for a person, which a workflow of their own does.
    create index tenant_extension_install_owned on tenant_extension_install (updated_at, install_id)
      where operation is not null or waiting_for is not null or status in ('installing', 'awaiting-consent');
    drop index tenant_extension_install_under_way;
  `);
}

export async function down(db: Knex): Promise<void> {
  await db.raw(`
    create index tenant_extension_install_under_way on tenant_extension_install (updated_at, install_id)
      where operation is not null or status in ('installing', 'awaiting-consent');
    drop index tenant_extension_install_owned;
    drop table tenant_extension_install_previous;
    drop table tenant_extension_install_change;
    alter table tenant_extension_install_config drop column aside;
    create index install_draft_by_install on install_draft (tenant_id, install_id) where kind = 'install';
    drop index install_draft_by_operation;
    delete from install_draft where kind = 'upgrade';
    alter table install_draft
      drop constraint install_draft_kind_check,
      add constraint install_draft_kind_check check (kind in ('install', 'configure'));
  `);
}
