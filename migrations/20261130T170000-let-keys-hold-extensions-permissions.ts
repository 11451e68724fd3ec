import type { Knex } from 'knex';

/** A key may hold permissions of extensions and no other. */
export async function up(db: Knex): Promise<void> {
  await db.raw(`
    alter table api_key
      drop constraint api_key_permissions_check,
      add constraint api_key_permissions_check
        check (cardinality(permissions) > 0 or coalesce(jsonb_array_length(extension_permissions), 0) > 0);
  `);
}

/** Keys of such a kind open nothing without it. */
export async function down(db: Knex): Promise<void> {
  await db.raw(`
    delete from api_key where cardinality(permissions) = 0;
    alter table api_key
      drop constraint api_key_permissions_check,
      add constraint api_key_permissions_check check (cardinality(permissions) > 0);
  `);
}
