import type { Knex } from 'knex';

export async function up(db: Knex): Promise<void> {
  await db.raw(`
    -- How the publisher came to the tenant that has it now, if another had it before.
    alter table extension_publisher add column last_transfer jsonb;

    -- As notify_row_change, of rows that are no tenant's: the nil UUID stands in its place. Operators change them, seldom.
    create function notify_platform_row_change() returns trigger language plpgsql as $$
    begin
      perform pg_notify('row_change', concat_ws(' ', tg_table_name, '00000000-0000-0000-0000-000000000000', to_jsonb(new) ->> tg_argv[0]));
      return null;
    end $$;

    create trigger notify_platform_change after update on extension_trust
      for each row execute function notify_platform_row_change('singleton');
    create trigger notify_platform_change after update of status on extension_version
      for each row execute function notify_platform_row_change('version_id');
    create trigger notify_platform_change after update on extension_publisher
      for each row execute function notify_platform_row_change('slug');
  `);
}

export async function down(db: Knex): Promise<void> {
  await db.raw(`
    drop trigger notify_platform_change on extension_publisher;
    drop trigger notify_platform_change on extension_version;
    drop trigger notify_platform_change on extension_trust;
    drop function notify_platform_row_change;
    alter table extension_publisher drop column last_transfer;
  `);
}
