import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';
import { prepareTemporal } from '../../starter/services/temporal-server.ts';
import { startServices, stopServices, type Wanted } from '../support/integration-services.ts';

const BUILD_WITHIN_MS = 15 * 60_000;

export interface Prepared {
  /** What tests read of it. */
  environment: Record<string, string>;
  stop: () => Promise<void>;
}

/** What many test files need, made once: servers, guests, workflows, and the data of a platform that was started once. */
export async function prepare(environment: NodeJS.ProcessEnv): Promise<Prepared> {
  const [services] = await Promise.all([
    provideServers(environment),
    script('build-fixtures.ts', environment),
  ]);
  try {
    const started = await script('start-first-platform.ts', environment);
    const dataDir = started.trim().split('\n').at(-1) ?? '';
    return {
      environment: { ...services.environment, TEST_SERVICES: 'ready', TEST_STARTED_DATA_DIR: dataDir },
      stop: services.stop,
    };
  } catch (cause) {
    await services.stop();
    throw cause;
  }
}

async function provideServers(environment: NodeJS.ProcessEnv): Promise<Prepared> {
  const { TEST_DATABASE_URL: database, TEST_TEMPORAL_ADDRESS: temporal } = environment;
  if (temporal !== undefined) await prepareTemporal(temporal, 'default');
  const wanted: Wanted[] = [];
  if (database === undefined) wanted.push('postgres');
  if (temporal === undefined) wanted.push('temporal');
  if (wanted.length === 0) return { environment: {}, stop: () => Promise.resolve() };
  const { child, environment: where } = await startServices(wanted, environment);
  return { environment: where, stop: () => stopServices(child) };
}

async function script(name: string, environment: NodeJS.ProcessEnv): Promise<string> {
  const file = path.join(import.meta.dirname, '..', 'support', name);
  const options = { env: environment, timeout: BUILD_WITHIN_MS, maxBuffer: 64 * 1024 * 1024 };
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', file],
    options,
  );
  return stdout;
}
