import { mkdirSync } from 'node:fs';
import path from 'node:path';
import type { Environment } from '../platform/config/environment.ts';
import { readLocalFile, removeLocalFile, writeLocalFile, type LocalFile } from './local-file.ts';
import { startPlatform, type StartedPlatform } from './platform.ts';
import { stopLeftovers } from './leftovers.ts';
import { createLedger } from './processes/ledger.ts';
import { createSupervisor } from './processes/supervisor.ts';
import { loadStarterConfig, type StarterConfig } from './config.ts';
import { takeStartLock, type StartLock } from './start-lock.ts';
import { waitFor } from './wait-for.ts';

export interface StarterDeps {
  environment: Environment;
  log: (line: string) => void;
  /** The listener is called for each request to stop. */
  onStopSignal: (listener: () => void) => void;
}

const FORCED = 130;

/** Everything `npm start` does. Answers the exit code. */
export async function runStarter({ environment, log, onStopSignal }: StarterDeps): Promise<number> {
  let config: StarterConfig;
  try {
    config = loadStarterConfig(environment);
  } catch (cause) {
    log(messageOf(cause));
    return 1;
  }
  const { dataDir } = config;
  mkdirSync(dataDir, { recursive: true });
  const localFile = path.join(dataDir, 'local.json');

  const found = await lockOrRunning(path.join(dataDir, 'starter.lock'), localFile, log);
  if ('local' in found) {
    for (const line of describe(found.local, localFile)) log(line);
    return 0;
  }
  const { lock } = found;
  await stopLeftovers(dataDir, log);
  removeLocalFile(localFile);

  const supervisor = createSupervisor({
    ledger: createLedger(path.join(dataDir, 'processes.json'), log),
    logsFolder: path.join(dataDir, 'logs'),
    log,
    echo: (name, line) => log(`[${name}] ${line}`),
  });
  const stop = new AbortController();
  const stopAsked = new Promise<void>((resolve) => {
    onStopSignal(() => {
      if (stop.signal.aborted) {
        supervisor.killAll();
        removeLocalFile(localFile);
        process.exit(FORCED);
      }
      log('stopping (once more to stop at once)');
      stop.abort();
      resolve();
    });
  });

  let code = 0;
  try {
    const starting = startPlatform({ config, supervisor, log, signal: stop.signal });
    const started = await Promise.race([starting, stopAsked]);
    if (started) {
      const local = { ...started.local, pid: process.pid };
      writeLocalFile(localFile, local);
      for (const line of describe(local, localFile, started.example)) log(line);
      await stopAsked;
    }
    starting.catch(() => undefined); // a start that was given up fails, of course
  } catch (cause) {
    log(messageOf(cause));
    code = 1;
  }
  removeLocalFile(localFile);
  await supervisor.stopAll();
  lock.release();
  log(code === 0 ? 'stopped' : 'nothing runs');
  return code;
}

/** The lock, or what runs already. While another start is under way, waits for how it ends. */
async function lockOrRunning(
  lockFile: string,
  localFile: string,
  log: (line: string) => void,
): Promise<{ lock: StartLock } | { local: LocalFile }> {
  let said = false;
  let found: { lock: StartLock } | { local: LocalFile } | undefined;
  await waitFor(
    async () => {
      const lock = takeStartLock(lockFile);
      if (lock) {
        found = { lock };
        return true;
      }
      const local = readLocalFile(localFile);
      if (local && (await answers(local.gateway))) {
        found = { local };
        return true;
      }
      if (!said) log('another start is under way; waiting for it');
      said = true;
      return false;
    },
    Infinity,
    500,
  );
  if (!found) throw new Error('waiting without end ended');
  return found;
}

async function answers(gateway: string): Promise<boolean> {
  try {
    return (await fetch(`${gateway}/healthz`, { signal: AbortSignal.timeout(5_000) })).ok;
  } catch {
    return false; // starting, restarting or stopping
  }
}

function describe(local: LocalFile, localFile: string, example?: StartedPlatform['example']): string[] {
  const lines = ['', `The platform runs (pid ${local.pid}).`, `  gateway      ${local.gateway}`];
  if (local.temporal.ui !== undefined) lines.push(`  Temporal UI  ${local.temporal.ui}`);
  if (example?.page !== undefined) lines.push(`  example      ${example.page}`);
  lines.push(`  keys, addresses and process ids: ${localFile}`);
  if (example) {
    const key = `$(node -p "require('${localFile}').keys.user")`;
    const url = `${local.gateway}/api/ext/${example.address}/hello/world`;
    lines.push('', 'Call the example:', `  curl -H "authorization: Bearer ${key}" ${url}`);
  }
  return [...lines, ''];
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
