import type { Knex } from 'knex';

export async function up(db: Knex): Promise<void> {
  await db.raw(`
    -- Tells listening gateways that a lifecycle row changed: its table, tenant and id, and nothing of what it holds. The argument is the
    -- column of the id. Lifecycle rows only: a transaction that notifies takes a lock of the whole cluster when it commits.
    create function notify_row_change() returns trigger language plpgsql as $$
    begin
      perform pg_notify('row_change', concat_ws(' ', tg_table_name, new.tenant_id, to_jsonb(new) ->> tg_argv[0]));
      return null;
    end $$;

    create trigger notify_change after insert or update on extension_upload
      for each row execute function notify_row_change('upload_id');
    create trigger notify_change after insert or update on tenant_extension_install
      for each row execute function notify_row_change('install_id');
  `);
}

export async function down(db: Knex): Promise<void> {
  await db.raw(`
    drop trigger notify_change on tenant_extension_install;
    drop trigger notify_change on extension_upload;
    drop function notify_row_change;
  `);
}
