import type { Knex } from 'knex';

const OF_A_TENANT = [
  'tenant',
  'tenant_extension_install',
  'tenant_extension_install_config',
  'tenant_extension_install_secrets',
  'tenant_extension_grant',
] as const;

export async function up(db: Knex): Promise<void> {
  await db.raw(`
    -- Tells listening gateways that what they remember of a tenant, a version or a key may not be so any more; nothing of what it is now.
    -- Rows that change seldom only: a transaction that notifies takes a lock of the whole cluster when it commits.
    create function notify_call_change() returns trigger language plpgsql as $$
    declare
      changed jsonb := to_jsonb(coalesce(new, old));
    begin
      perform pg_notify('call_change', tg_argv[0] || ' ' || (changed ->> tg_argv[1]));
      return null;
    end $$;

    create trigger notify_call after update of status or delete on extension_version
      for each row execute function notify_call_change('version', 'version_id');
    create trigger notify_call after update or delete on api_key
      for each row execute function notify_call_change('key', 'key_id');
  `);
  for (const table of OF_A_TENANT) {
    await db.raw(`
      create trigger notify_call after insert or update or delete on ${table}
        for each row execute function notify_call_change('tenant', 'tenant_id')`);
  }
}

export async function down(db: Knex): Promise<void> {
  for (const table of ['extension_version', 'api_key', ...OF_A_TENANT]) {
    await db.raw(`drop trigger notify_call on ${table}`);
  }
  await db.raw('drop function notify_call_change');
}
