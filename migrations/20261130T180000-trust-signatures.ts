import type { Knex } from 'knex';

export async function up(db: Knex): Promise<void> {
  await db.raw(`
    -- Keys that operators added, and those of the trust bundle that they revoked. Never deleted: what was revoked stays so.
    create table extension_trust_key (
      key_id     text primary key check (key_id ~ '^sha256:[0-9a-f]{64}$'),
      public_key text not null,
      name       text,
      publishers text[] not null,
      not_before timestamptz,
      not_after  timestamptz,
      state      text not null check (state in ('active', 'retired', 'revoked')),
      reason     text,
      created_by text not null,
      created_at timestamptz not null default now(),
      revoked_by text,
      revoked_at timestamptz,
      check ((state = 'revoked') = (revoked_at is not null))
    );

    -- One row. The revision grows with each change of what is trusted; file_digest tells the trust bundle that workers have,
    -- last_pass how it went to judge all versions by a revision.
    create table extension_trust (
      singleton   boolean primary key default true check (singleton),
      revision    bigint not null default 1,
      file_digest text,
      last_pass   jsonb
    );
    insert into extension_trust default values;

    -- Envelopes beside a bundle in the object store, by the name that they have there. What they are worth is judged anew each time.
    create table extension_signature (
      content_hash text not null references extension_bundle,
      digest       text not null check (digest ~ '^[0-9a-f]{64}$'),
      received_at  timestamptz not null default now(),
      primary key (content_hash, digest)
    );

    alter table extension_upload add column signature jsonb;

    -- quarantined: published once, and no longer trusted; status_reason says why. Judged by trust of trust_revision.
    alter table extension_version
      drop constraint extension_version_status_check,
      add constraint extension_version_status_check check (status in ('published', 'quarantined', 'revoked')),
      add column status_reason  jsonb,
      add column trust_policy   text not null default 'optional' check (trust_policy in ('required', 'optional')),
      add column signed_by      text[] not null default '{}',
      add column trust_revision bigint not null default 0;
    create index extension_version_by_trust on extension_version (trust_revision, version_id) where status <> 'revoked';
  `);
}

export async function down(db: Knex): Promise<void> {
  await db.raw(`
    drop index extension_version_by_trust;
    update extension_version set status = 'revoked' where status = 'quarantined';
    alter table extension_version
      drop constraint extension_version_status_check,
      add constraint extension_version_status_check check (status in ('published', 'revoked')),
      drop column status_reason, drop column trust_policy, drop column signed_by, drop column trust_revision;
    alter table extension_upload drop column signature;
    drop table extension_signature;
    drop table extension_trust;
    drop table extension_trust_key;
  `);
}
