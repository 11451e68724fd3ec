import type { Knex } from 'knex';

/** Keys that are over and uploads that have ended, by how long they have: housekeeping removes them in time. */
export async function up(db: Knex): Promise<void> {
  await db.raw(`
    create index api_key_over on api_key (least(revoked_at, expires_at))
      where revoked_at is not null or expires_at is not null;
    create index extension_upload_ended on extension_upload (updated_at)
      where status in ('published', 'rejected', 'aborted', 'failed');
  `);
}

export async function down(db: Knex): Promise<void> {
  await db.raw('drop index extension_upload_ended; drop index api_key_over;');
}
