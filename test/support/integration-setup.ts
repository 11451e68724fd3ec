import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { prepareTemporal } from '../../starter/services/temporal-server.ts';
import { keepForTeardown, type TestServices, type Wanted } from './integration-services.ts';

/** Uses PostgreSQL and Temporal that TEST_DATABASE_URL and TEST_TEMPORAL_ADDRESS name, and starts those they do not. */
export default async function setup(): Promise<void> {
  const { TEST_DATABASE_URL: database, TEST_TEMPORAL_ADDRESS: temporal } = process.env;
  if (temporal !== undefined) await prepareTemporal({ address: temporal }, 'default');
  const wanted: Wanted[] = [];
  if (database === undefined) wanted.push('postgres');
  if (temporal === undefined) wanted.push('temporal');
  if (wanted.length > 0) await startServices(wanted);
  console.log(`PostgreSQL: ${process.env['TEST_DATABASE_URL'] ?? ''}`);
  console.log(`Temporal: ${process.env['TEST_TEMPORAL_ADDRESS'] ?? ''}`);
}

async function startServices(wanted: readonly Wanted[]): Promise<void> {
  const script = path.join(import.meta.dirname, 'services-process.ts');
  const child = spawn(process.execPath, [script, ...wanted], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  keepForTeardown(child);
  const failed = once(child, 'exit').then(() => {
    throw new Error('the services of the integration tests did not start');
  });
  const [services] = (await Promise.race([once(child, 'message'), failed])) as [TestServices];
  failed.catch(() => undefined); // it ends at teardown
  if (services.databaseUrl !== undefined) process.env['TEST_DATABASE_URL'] = services.databaseUrl;
  if (services.temporalAddress !== undefined) {
    process.env['TEST_TEMPORAL_ADDRESS'] = services.temporalAddress;
  }
}
