import { keepForTeardown, startServices, type Wanted } from './integration-services.ts';

/** Uses PostgreSQL and Temporal that TEST_DATABASE_URL and TEST_TEMPORAL_ADDRESS name, and starts those they do not. */
// eslint-disable-next-line import-x/no-default-export -- Jest calls the default export
export default async function setup(): Promise<void> {
  const environment = process.env;
  if (environment['TEST_SERVICES'] === 'ready') return; // the run has seen to them for all its Jest processes
  const { TEST_DATABASE_URL: database, TEST_TEMPORAL_ADDRESS: temporal } = environment;
  if (temporal !== undefined) {
    const { prepareTemporal } = await import('../../starter/services/temporal-server.ts');
    await prepareTemporal(temporal, 'default');
  }
  const wanted: Wanted[] = [];
  if (database === undefined) wanted.push('postgres');
  if (temporal === undefined) wanted.push('temporal');
  if (wanted.length === 0) return;
  const started = await startServices(wanted);
  keepForTeardown(started.child);
  Object.assign(environment, started.environment);
}
