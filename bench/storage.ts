import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Pool } from 'undici';
import { SecretValue } from '../core/secret-value.ts';
import { openDatabase } from '../platform/db/database.ts';
import { buildExample } from '../scripts/build-example.ts';
import { measure, type Measurement } from './load.ts';
import { readLocalPlatform } from './local-platform.ts';
import { HEAVY, HELLO } from './neighbours/field.ts';
import { publish } from './publish-files.ts';
import { install, newTenant } from './tenants.ts';

// Clients that count in one record of one install, through the whole path. Needs a running platform: `npm start`, then
// `npm run bench:storage`. The ways to count take turns, so that whatever else the machine does falls on all of them; compare within a
// run. Each run leaves its tenants behind.

const { values: options } = parseArgs({
  options: {
    rounds: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '5' },
    clients: { type: 'string', default: '16' },
  },
});
const [rounds, withinMs, clients] = [
  Number(options.rounds),
  Number(options.seconds) * 1_000,
  Number(options.clients),
];
const GUEST = join(import.meta.dirname, 'guests', 'heavy');
const CACHE = join(import.meta.dirname, '..', 'node_modules', '.cache', 'components');
/** Of atomic increments, against read, compare and write. */
const BAR = 10;

const local = readLocalPlatform(process.env['DATA_DIR'] ?? '.data');
const gateway = new Pool(local.gateway, { connections: clients + 1 });
const { files } = await buildExample(GUEST, { cacheDir: CACHE, log: console.log });
await publish(local, files);
const key = await newTenant(local, 'Bench counter');
const { installId } = await install(local, key, HEAVY);
const neighbour = await newTenant(local, 'Bench beside the counter');
await install(local, neighbour, HELLO);

const call =
  (path: string, bearer = key) =>
  async (): Promise<void> => {
    const { statusCode, body } = await gateway.request({
      method: 'GET',
      path,
      headers: { authorization: `Bearer ${bearer}` },
    });
    const text = await body.text();
    if (statusCode !== 200) throw new Error(`${path} answered ${statusCode}: ${text}`);
  };

const WAYS = {
  'nothing: what the call takes without storage': call(`/api/ext/${HEAVY}/nothing`),
  'read, compare and write': call(`/api/ext/${HEAVY}/read-and-write`),
  'atomic increment': call(`/api/ext/${HEAVY}/count`),
} as const;
type Way = keyof typeof WAYS;

const beside = call(`/api/ext/${HELLO}/hello/Ada`, neighbour);
const measured: Partial<Record<Way, { own: Measurement; beside: Measurement }[]>> = {};
for (const counted of Object.values(WAYS)) await measure(counted, { calls: 50, clients: 2 });
await measure(beside, { calls: 50, clients: 1 });
const quiet = await measure(beside, { calls: Infinity, clients: 1, withinMs });
for (let round = 0; round < rounds; round += 1) {
  for (const [way, counted] of Object.entries(WAYS) as [Way, () => Promise<void>][]) {
    const [own, other] = await Promise.all([
      measure(counted, { calls: Infinity, clients, withinMs }),
      measure(beside, { calls: Infinity, clients: 1, withinMs }),
    ]);
    (measured[way] ??= []).push({ own, beside: other });
  }
}

const median = (way: Way, of: 'own' | 'beside', figure: keyof Measurement): number =>
  measured[way]?.map((one) => one[of][figure]).sort((a, b) => a - b)[Math.floor(rounds / 2)] ?? Number.NaN;
console.table(
  Object.fromEntries(
    (Object.keys(WAYS) as Way[]).map((way) => [
      way,
      {
        [`calls/s, ${clients} clients`]: median(way, 'own', 'perSecond').toFixed(0),
        'p50 ms': median(way, 'own', 'p50').toFixed(1),
        'p99 ms': median(way, 'own', 'p99').toFixed(1),
        'a neighbour meanwhile, p50 / p99 ms': `${median(way, 'beside', 'p50').toFixed(1)} / ${median(way, 'beside', 'p99').toFixed(1)}`,
      },
    ]),
  ),
);
console.log(`the neighbour alone: p50 ${quiet.p50.toFixed(1)}, p99 ${quiet.p99.toFixed(1)} ms`);
const ratio =
  median('atomic increment', 'own', 'perSecond') / median('read, compare and write', 'own', 'perSecond');
console.log(`atomic increment against read, compare and write: ${ratio.toFixed(1)}× (bar ${BAR}×)`);
if (ratio < BAR) process.exitCode = 1;

const db = openDatabase({ url: new SecretValue(local.databaseUrl), poolMax: 1 });
const counted: { key: string; count: string }[] = await db('extension_storage_record')
  .where({ install_id: installId })
  .orderBy('key')
  .select({
    key: 'key',
    count: db.raw("convert_from(value, 'UTF8')"),
  });
const { rows } = await db.raw<{ rows: [{ size: string; updates: number; hot: number }] }>(
  `select pg_size_pretty(pg_total_relation_size(relid)) as size, n_tup_upd as updates, n_tup_hot_upd as hot
     from pg_stat_user_tables where relname = 'extension_storage_record'`,
);
const [{ size, updates, hot }] = rows;
console.log(
  `what is left: ${counted.map((row) => `${row.key} at ${row.count}`).join(', ')}; ${size} of table and indexes, ${hot} of ${updates} updates stayed in their page`,
);
await Promise.all([gateway.close(), db.destroy()]);
