import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import type { Knex } from 'knex';
import { z } from 'zod';
import { parseManifest } from '../core/manifest/manifest.ts';
import { migrations } from '../migrations/index.ts';
import { loadDatabaseUrl } from '../platform/config/environment.ts';
import { openDatabase } from '../platform/db/database.ts';
import { migrate } from '../platform/db/migrate.ts';

// Fills an empty database as years of use would, to see what its queries cost. Ids are md5 of what they number, so that every statement
// can name every row: the install 3 of tenant 7 has the id md5('install-7-3').

export interface Sizes {
  tenants: number;
  installs: number;
  executions: number;
}

/** Days of executions, the newest of them today (UTC), all of it. */
const DAYS = 10;
const DAY_MS = 24 * 60 * 60 * 1000;
const VERSIONS = 5;
/** Of extension 0. */
const MANY_VERSIONS = 300;
/** A transaction of somebody else's that outlasts these is not waited for. */
const SETTLING_ROUNDS = 40;
const SETTLING_MS = 500;

const MANIFEST = JSON.stringify(
  parseManifest(
    JSON.stringify({
      name: 'filler',
      publisher: 'Filler',
      version: '1.0.0',
      displayName: 'Filler',
      description: 'Stands for an extension of ordinary size.',
      runtime: 'wasm-js@1',
      capabilities: [{ name: 'storage.kv', scope: { namespaces: ['notes'] } }],
      api: {
        endpoints: ['GET', 'POST', 'PUT'].map((method) => ({ method, path: '/notes', handler: 'notes' })),
      },
      ui: { type: 'iframe', entry: 'ui/index.html' },
    }),
  ),
);

/** Throws if the database holds a tenant already. Takes minutes at a million installs and ten million executions. */
export async function fillDatabase(db: Knex, sizes: Sizes, log: (line: string) => void): Promise<void> {
  await migrate(db, migrations);
  if (await db('tenant').first('tenant_id')) {
    throw new Error('the database holds tenants already; fill an empty one of its own');
  }
  const perTenant = Math.ceil(sizes.installs / sizes.tenants);
  const extensions = Math.max(perTenant + 1, Math.ceil(sizes.installs / 1000));
  const step = async (name: string, work: () => Promise<unknown>): Promise<void> => {
    const started = performance.now();
    await work();
    log(`${name} in ${((performance.now() - started) / 1000).toFixed(1)} s`);
  };
  // What is generated fits together; checking it row by row would take most of the time. And it is the same each time.
  await db.raw(`set session_replication_role = replica; set synchronous_commit = off; select setseed(0.5)`);
  await step('tenants and keys', () => db.raw(tenantsSql(sizes)));
  await step(`${extensions} extensions`, () => db.raw(registrySql(extensions, sizes.tenants)));
  await step('installs', () => db.raw(installsSql(sizes.tenants, perTenant, extensions)));
  await step('records and drafts', () => db.raw(recordsSql(sizes.tenants, perTenant)));
  await db.raw('set session_replication_role = origin');
  await makeRoomForThePast(db);
  for (let day = DAYS - 1; day >= 0; day--) {
    await step(`executions of ${dayBefore(day)}`, () => fillDay(db, day, sizes, perTenant));
  }
  await step('statistics', () => settle(db));
}

/** So that plans are those of a database that has stood for a while: whoever looked meanwhile, as autovacuum does, keeps pages from being marked as seen by all. */
async function settle(db: Knex): Promise<void> {
  for (let round = 0; round < SETTLING_ROUNDS; round++) {
    await db.raw('vacuum analyze');
    const unseen = (await db('pg_class')
      .where({ relkind: 'r', relnamespace: db.raw("'public'::regnamespace") })
      .whereRaw('relallvisible < relpages')
      .first('relname')) as unknown;
    if (unseen === undefined) return;
    await delay(SETTLING_MS);
  }
}

const dayBefore = (days: number): string => new Date(Date.now() - days * DAY_MS).toISOString().slice(0, 10);
const midnight = (days: number): string => `${dayBefore(days)}T00:00:00Z`;

function tenantsSql({ tenants }: Sizes): string {
  return `
    insert into tenant (tenant_id, name, created_at)
      select md5('tenant-' || t)::uuid, 'Tenant ' || t, now() - (${tenants} - t) * interval '1 minute'
        from generate_series(0, ${tenants - 1}) t;
    insert into api_key (key_id, id, tenant_id, name, digest, permissions, created_by, created_at)
      select substr(md5('key-' || t || '-' || k), 1, 16), md5('key-' || t || '-' || k)::uuid, md5('tenant-' || t)::uuid, 'key ' || k,
             sha256(('key-' || t || '-' || k)::bytea), '{extension:read}', substr(md5('maker-' || t), 1, 16), now() - k * interval '1 second'
        from generate_series(0, ${tenants - 1}) t, generate_series(1, case t when 0 then 1000 else 3 end) k;
    insert into extension_upload (tenant_id, upload_id, created_by, filename, announced_size, expires_at)
      select md5('tenant-' || t)::uuid, md5('upload-' || t)::uuid, 'filler', 'bundle.tar.zst', 1000, now() + interval '1 day'
        from generate_series(0, ${tenants - 1}) t`;
}

/** Extension 0 is the one that every tenant has, extension -1 the one that none has. */
function registrySql(extensions: number, tenants: number): string {
  const versions = `generate_series(-1, ${extensions - 1}) e,
    generate_series(0, case e when 0 then ${MANY_VERSIONS - 1} else ${VERSIONS - 1} end) v`;
  const hash = `'sha256:' || encode(sha256(('bundle-' || e || '-' || v)::bytea), 'hex')`;
  return `
    insert into extension_publisher (slug, name, tenant_id) values ('filler', 'Filler', md5('tenant-0')::uuid);
    insert into extension_publisher (slug, name, tenant_id)
      select 'filler-' || t, 'Filler ' || t, md5('tenant-' || t)::uuid from generate_series(1, ${tenants - 1}) t;
    insert into extension_registry (extension_id, publisher_slug, name, display_name, created_at)
      select md5('extension-' || e)::uuid, 'filler', 'extension-' || e, 'Extension ' || e, now() - e * interval '1 hour'
        from generate_series(-1, ${extensions - 1}) e;
    insert into extension_bundle (content_hash, size_bytes) select ${hash}, 100000 from ${versions};
    insert into extension_artifact (content_hash, target, sha256, size_bytes)
      select ${hash}, 'filler', encode(sha256('artifact'), 'hex'), 200000 from ${versions};
    insert into extension_version (version_id, extension_id, version, content_hash, manifest, checks, upload_id, published_at)
      select md5('version-' || e || '-' || v)::uuid, md5('extension-' || e)::uuid, '1.0.' || v, ${hash}, $manifest$${MANIFEST}$manifest$, '[]',
             md5('version-upload-' || e || '-' || v)::uuid, now() - interval '1 year' + v * interval '1 day'
        from ${versions};
    insert into extension_api_endpoint (version_id, position, method, path, handler, permission, schedulable)
      select md5('version-' || e || '-' || v)::uuid, o, m, '/notes', 'notes', 'extension:read', false
        from ${versions}, unnest(array['GET', 'POST', 'PUT']) with ordinality as endpoints (m, o)`;
}

/** Version 4 of extension 0 is disabled wherever it is installed: nobody serves its UI. */
function installsSql(tenants: number, perTenant: number, extensions: number): string {
  const ids = 'i.tenant_id, i.install_id, coalesce(i.active_version_id, i.pending_version_id)';
  return `
    insert into tenant_extension_install (tenant_id, install_id, extension_id, active_version_id, pending_version_id, status,
                                          error, config_version, secrets_version, created_at)
      select md5('tenant-' || t)::uuid, md5('install-' || t || '-' || k)::uuid, md5('extension-' || e)::uuid,
             case when status <> 'failed' then version_id end, case when status = 'failed' then version_id end, status,
             case when status = 'failed' then '{"code": "HEALTH_CHECK_FAILED", "message": "it answered 500"}'::jsonb end,
             1, 1, now() - k * interval '1 day' - t * interval '1 second'
        from generate_series(0, ${tenants - 1}) t, generate_series(0, ${perTenant - 1}) k,
             lateral (select case k when 0 then 0 else 1 + (t * 31 + k) % ${extensions - 1} end as e, t % ${VERSIONS} as v),
             lateral (select md5('version-' || e || '-' || v)::uuid as version_id,
                             case when e = 0 and v = 4 then 'disabled' when k = 0 then 'active'
                                  when (t + k) % 50 = 0 then 'failed' when (t + k) % 50 = 1 then 'paused' else 'active' end as status);
    insert into tenant_extension_install_config (tenant_id, install_id, version_id, config, version)
      select ${ids}, '{"greeting": "hello", "colour": "blue"}', 1 from tenant_extension_install i;
    insert into tenant_extension_grant (tenant_id, install_id, version_id, capability, scope, granted_by)
      select ${ids}, capability, scope::jsonb, 'filler' from tenant_extension_install i,
        (values ('storage.kv', '{"namespaces": ["notes"]}'), ('context.read', '{}')) as granted (capability, scope);
    insert into tenant_extension_install_previous (tenant_id, install_id, version_id, superseded_at)
      select i.tenant_id, i.install_id, v.version_id, now() - interval '40 days' from tenant_extension_install i,
        lateral (select version_id from extension_version where extension_id = i.extension_id and version_id <> i.active_version_id
                  limit 2) v;
    insert into tenant_extension_install_secrets (tenant_id, install_id, name, sealed, key_id)
      select tenant_id, install_id, 'TOKEN', repeat('s', 120), 'filler' from tenant_extension_install`;
}

function recordsSql(tenants: number, perTenant: number): string {
  return `
    insert into extension_storage_record (tenant_id, install_id, namespace, key, value, revision)
      select md5('tenant-0')::uuid, md5('install-0-0')::uuid, 'notes', 'note-' || lpad(n::text, 6, '0'), repeat('v', 200)::bytea, n
        from generate_series(1, 5000) n;
    insert into extension_storage_record (tenant_id, install_id, namespace, key, value, revision)
      select md5('tenant-' || t)::uuid, md5('install-' || t || '-' || k)::uuid, 'notes', 'note-1', repeat('v', 200)::bytea, 1
        from generate_series(1, ${tenants - 1}) t, generate_series(0, ${perTenant - 1}, 10) k;
    select setval('extension_storage_revision', 1000000);
    insert into install_draft (tenant_id, draft_id, install_id, version_id, config, expires_at)
      select md5('tenant-' || t)::uuid, md5('draft-' || t)::uuid, md5('install-' || t || '-0')::uuid,
             md5('version-0-' || t % ${VERSIONS})::uuid, '{}', now() + interval '1 day'
        from generate_series(0, ${tenants - 1}) t`;
}

/** The partition of everything before days were made is empty here: it can end earlier. */
async function makeRoomForThePast(db: Knex): Promise<void> {
  const parent = 'alter table extension_execution_log';
  const legacy = 'partition extension_execution_log_legacy';
  await db.raw(`
    ${parent} detach ${legacy};
    ${parent} attach ${legacy} for values from (minvalue) to ('${midnight(DAYS - 1)}')`);
  await makeDay(db, -1, '');
}

/** Rows first and indexes after, which attaching makes. */
async function makeDay(db: Knex, day: number, fill: string): Promise<void> {
  const name = `extension_execution_log_${dayBefore(day).replaceAll('-', '')}`;
  await db.raw(`
    create table ${name} (like extension_execution_log including defaults including constraints);
    ${fill}
    alter table extension_execution_log attach partition ${name} for values from ('${midnight(day)}') to ('${midnight(day - 1)}')`);
}

/** A few tenants have most of the calls, tenant 0 the most; 3 in 100 fail. */
async function fillDay(db: Knex, day: number, sizes: Sizes, perTenant: number): Promise<void> {
  const rows = Math.ceil(sizes.executions / DAYS);
  const first = Date.parse(midnight(day));
  const name = `extension_execution_log_${dayBefore(day).replaceAll('-', '')}`;
  const fill = `
    insert into ${name} (tenant_id, execution_id, install_id, extension_id, version_id, content_hash, request_id, trigger, method, path,
                         principal, status, http_status, error_code, duration_ms, cpu_ms, request_bytes, response_bytes, started_at)
      select md5('tenant-' || t)::uuid, (lpad(to_hex(ms), 12, '0') || '7' || substr(h, 1, 3) || '8' || substr(h, 4, 15))::uuid,
             md5('install-' || t || '-' || k)::uuid, md5('extension-0')::uuid, md5('version-0-0')::uuid,
             'sha256:' || h || h, case when t = 0 and k = 0 then 'the-same-for-every-call' else h end, 'http', 'GET', '/notes', 'filler',
             case when failed then 'failed' else 'succeeded' end, case when failed then 502 else 200 end,
             case when failed then 'GUEST_TRAPPED' end, 1 + n % 20, 1, 0, 100, timestamptz 'epoch' + ms * interval '1 millisecond'
        from generate_series(0, ${rows - 1}) n,
             lateral (select md5('${day}-' || n) as h, ${first} + n::bigint * ${DAY_MS} / ${rows} as ms, n % 100 < 3 as failed,
                             floor(${sizes.tenants} * power(random(), 2) + 0 * n)::int as t,
                             floor(${perTenant} * power(random(), 2) + 0 * n)::int as k);`;
  await makeDay(db, day, fill);
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      tenants: { type: 'string', default: '10000' },
      installs: { type: 'string', default: '1000000' },
      executions: { type: 'string', default: '10000000' },
    },
  });
  const count = z.coerce.number().int().min(2);
  const sizes = z.object({ tenants: count, installs: count, executions: count }).parse(values);
  const url = loadDatabaseUrl(process.env);
  const db = openDatabase({ url, poolMax: 1 });
  try {
    await fillDatabase(db, sizes, console.log);
  } finally {
    await db.destroy();
  }
}

if (import.meta.main) await main();
