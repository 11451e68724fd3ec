import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { loadDatabaseUrl, parseEnvironment } from '../../../platform/config/environment.ts';
import { temporalServer, temporalServerConfig } from '../../../platform/config/temporal.ts';
import { isDatabaseAway } from '../../../platform/db/database.ts';
import { prepareDatabase } from '../../seed.ts';
import { ensureNamespace, isTemporalAway } from '../namespace.ts';
import { whileAway } from '../../while-away.ts';
import { prepareTemporal } from '../../services/temporal-server.ts';

// The job that runs before the roles: brings the database to this release's schema, with the first tenant and its keys in it, and makes Temporal's namespace.

const FOLDER = '/run/secrets';
const settings = z.object({
  ...temporalServer.shape,
  /** How long Temporal keeps workflows that have ended, days. */
  TEMPORAL_RETENTION_DAYS: z.coerce.number().int().min(1).max(3650).default(7),
});
const apiKeys = z.object({ operator: z.string(), admin: z.string(), user: z.string() });
const read = (name: string): string => readFileSync(`${FOLDER}/${name}`, 'utf8').trim();
const log = (msg: string): void =>
  console.log(JSON.stringify({ level: 'info', time: Date.now(), process: 'migrate', msg }));

const given = parseEnvironment(settings, process.env);
const url = loadDatabaseUrl(process.env).reveal();
const secrets = { tenantId: read('TENANT_ID'), apiKeys: apiKeys.parse(JSON.parse(read('API_KEYS'))) };
await whileAway(() => prepareDatabase(url, secrets, log), isDatabaseAway);
const server = temporalServerConfig(given);
const { TEMPORAL_NAMESPACE: namespace } = given;
await whileAway(() => ensureNamespace(server, namespace, given.TEMPORAL_RETENTION_DAYS), isTemporalAway);
// A namespace is known to the whole server some seconds after it was made.
const advice = await whileAway(() => prepareTemporal(server, namespace), isTemporalAway);
if (advice !== undefined) log(advice);
log('the database and Temporal are ready');
