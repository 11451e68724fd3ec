// A process of its own, started by integration-setup.ts: it notices when the test run is gone, however that ended, and then
// stops what it started.
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { createOutput } from '../../starter/output.ts';
import { freePort } from '../../starter/ports.ts';
import { createLedger } from '../../starter/processes/ledger.ts';
import { createSupervisor } from '../../starter/processes/supervisor.ts';
import { startPostgres } from '../../starter/services/postgres.ts';
import { findTemporalCli } from '../../starter/services/temporal-cli.ts';
import { startTemporal } from '../../starter/services/temporal-server.ts';
import type { TestServices, Wanted } from './integration-services.ts';

const { log, during } = createOutput(process.stdout, 'text');
const wanted = process.argv.slice(2) as Wanted[];
const folder = mkdtempSync(path.join(os.tmpdir(), 'alga-test-'));
const supervisor = createSupervisor({
  ledger: createLedger(path.join(folder, 'processes.json'), log),
  logsFolder: path.join(folder, 'logs'),
  log,
});
const stop = new AbortController();

async function leave(): Promise<void> {
  stop.abort();
  await supervisor.stopAll();
  rmSync(folder, { recursive: true, force: true });
  process.exit();
}
process.once('disconnect', () => void leave());
// Ctrl-C reaches the whole group of the terminal; the end of the test run is what counts.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => undefined);

async function providePostgres(): Promise<string> {
  const dataDir = path.join(folder, 'postgres');
  return (await startPostgres({ dataDir, password: 'test', durable: false, supervisor, log })).url;
}

async function provideTemporal(): Promise<string> {
  const cli = await findTemporalCli({ environment: process.env, log, during, signal: stop.signal });
  const dataDir = path.join(folder, 'temporal');
  const [port, uiPort] = [await freePort(), await freePort()];
  const server = await startTemporal({ cli, dataDir, namespace: 'default', port, uiPort, supervisor });
  log(`the UI of Temporal is at ${server.ui}`);
  return server.address;
}

const [databaseUrl, temporalAddress] = await Promise.all([
  wanted.includes('postgres') ? providePostgres() : undefined,
  wanted.includes('temporal') ? provideTemporal() : undefined,
]);
const services: TestServices = {
  ...(databaseUrl !== undefined && { databaseUrl }),
  ...(temporalAddress !== undefined && { temporalAddress }),
};
process.send?.(services);
