import type { Knex } from 'knex';

/** A publish begins with its upload: how the bytes come, and what content they turned out to be. */
export async function up(db: Knex): Promise<void> {
  await db.raw(`
    alter table extension_upload
      add column method text not null default 'proxy' check (method in ('proxy', 'single', 'multipart')),
      -- Bytes of each part but the last, and what the object store calls the upload they belong to.
      add column part_size integer check (part_size > 0),
      add column store_upload_id text,
      -- Of the verified bytes, from when they are promoted: nobody removes what is stored of it meanwhile.
      add column content_hash text check (content_hash ~ '^sha256:[0-9a-f]{64}$'),
      add constraint extension_upload_parts
        check ((method = 'multipart') = (part_size is not null and store_upload_id is not null)),
      -- Of bytes that did not pass a gateway only the size is known before they are verified.
      drop constraint extension_upload_check,
      add constraint extension_upload_received check (received_sha256 is null or received_size is not null);
    create index extension_upload_claim on extension_upload (content_hash)
      where status in ('verifying', 'precompiling', 'registering');
  `);
}

export async function down(db: Knex): Promise<void> {
  await db.raw(`
    drop index extension_upload_claim;
    update extension_upload set received_size = null where received_sha256 is null;
    alter table extension_upload
      drop constraint extension_upload_received,
      drop constraint extension_upload_parts,
      drop column method, drop column part_size, drop column store_upload_id, drop column content_hash,
      add constraint extension_upload_check check ((received_size is null) = (received_sha256 is null));
  `);
}
