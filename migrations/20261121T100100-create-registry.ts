import type { Knex } from 'knex';

export async function up(db: Knex): Promise<void> {
  await db.raw(`
    -- The first tenant to publish under a slug owns it.
    create table extension_publisher (
      slug       text primary key check (slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$'),
      name       text not null,
      tenant_id  uuid not null references tenant,
      created_at timestamptz not null default now()
    );

    create table extension_registry (
      extension_id   uuid primary key,
      publisher_slug text not null references extension_publisher,
      name           text not null,
      display_name   text not null,
      description    text not null default '',
      created_at     timestamptz not null default now(),
      updated_at     timestamptz not null default now(),
      unique (publisher_slug, name)
    );

    create table extension_bundle (
      content_hash text primary key check (content_hash ~ '^sha256:[0-9a-f]{64}$'),
      size_bytes   bigint not null check (size_bytes > 0),
      created_at   timestamptz not null default now()
    );

    create table extension_artifact (
      content_hash text not null references extension_bundle,
      target       text not null,
      sha256       text not null check (sha256 ~ '^[0-9a-f]{64}$'),
      size_bytes   bigint not null check (size_bytes > 0),
      created_at   timestamptz not null default now(),
      primary key (content_hash, target)
    );

    -- Versions are immutable: upload_id lets a repeated registration find its own row.
    create table extension_version (
      version_id   uuid primary key,
      extension_id uuid not null references extension_registry,
      version      text not null,
      content_hash text not null references extension_bundle,
      manifest     jsonb not null,
      checks       jsonb not null,
      status       text not null default 'published' check (status in ('published', 'revoked')),
      upload_id    uuid not null unique,
      published_at timestamptz not null default now(),
      unique (extension_id, version)
    );

    create table extension_api_endpoint (
      version_id  uuid not null references extension_version,
      position    integer not null,
      method      text not null,
      path        text not null,
      handler     text not null,
      permission  text not null,
      schedulable boolean not null,
      timeout_ms  integer check (timeout_ms > 0),
      primary key (version_id, method, path)
    );

    -- An upload and the publish it becomes: one row, from first byte to published version.
    create table extension_upload (
      tenant_id        uuid not null references tenant,
      upload_id        uuid not null unique,
      created_by       text not null,
      filename         text not null,
      announced_size   bigint not null check (announced_size > 0),
      announced_sha256 text check (announced_sha256 ~ '^[0-9a-f]{64}$'),
      received_size    bigint,
      received_sha256  text check (received_sha256 ~ '^[0-9a-f]{64}$'),
      status           text not null default 'uploading' check (status in
        ('uploading', 'verifying', 'precompiling', 'registering', 'published', 'rejected', 'aborted', 'failed')),
      steps            jsonb not null default '[]',
      checks           jsonb not null default '[]',
      error            jsonb,
      version_id       uuid references extension_version,
      expires_at       timestamptz not null,
      created_at       timestamptz not null default now(),
      updated_at       timestamptz not null default now(),
      primary key (tenant_id, upload_id),
      check ((received_size is null) = (received_sha256 is null)),
      check ((status = 'published') = (version_id is not null)),
      check (status not in ('rejected', 'failed') or error is not null)
    );
  `);
}

export async function down(db: Knex): Promise<void> {
  await db.raw(`
    drop table extension_upload;
    drop table extension_api_endpoint;
    drop table extension_version;
    drop table extension_artifact;
    drop table extension_bundle;
    drop table extension_registry;
    drop table extension_publisher;
  `);
}
