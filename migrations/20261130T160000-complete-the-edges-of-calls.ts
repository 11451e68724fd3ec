import type { Knex } from 'knex';

/** Null where there was none, so no row is written anew. */
export async function up(db: Knex): Promise<void> {
  await db.raw(`
    -- Names of the request's headers that the endpoint asks for.
    alter table extension_api_endpoint add column headers text[];

    -- Permissions of extensions' own: [{installId, extension, permission}]. A new install of the same name is another one.
    alter table api_key add column extension_permissions jsonb
      constraint api_key_extension_permissions check (jsonb_typeof(extension_permissions) = 'array');

    -- The trace that a call belongs to (W3C Trace Context).
    alter table extension_execution_log add column trace_id uuid;
  `);
}

export async function down(db: Knex): Promise<void> {
  await db.raw(`
    alter table extension_execution_log drop column trace_id;
    alter table api_key drop column extension_permissions;
    alter table extension_api_endpoint drop column headers;
  `);
}
