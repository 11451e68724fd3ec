import type { Knex } from 'knex';

export async function up(db: Knex): Promise<void> {
  await db.raw(`
    create table tenant (
      tenant_id  uuid primary key,
      name       text not null check (length(name) between 1 and 200),
      created_at timestamptz not null default now()
    );

    -- The secret half of a key is never stored: digest is sha256 of it.
    create table api_key (
      key_id      text primary key check (key_id ~ '^[0-9a-f]{16}$'),
      id          uuid not null unique,
      tenant_id   uuid not null references tenant,
      name        text not null check (length(name) between 1 and 200),
      digest      bytea not null check (octet_length(digest) = 32),
      permissions text[] not null check (cardinality(permissions) > 0),
      expires_at  timestamptz,
      revoked_at  timestamptz,
      created_by  text not null,
      created_at  timestamptz not null default now()
    );
    create index api_key_by_tenant on api_key (tenant_id, created_at, id);
  `);
}

export async function down(db: Knex): Promise<void> {
  await db.raw('drop table api_key; drop table tenant;');
}
