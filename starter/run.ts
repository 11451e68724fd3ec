import { mkdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import type { Environment } from '../platform/config/environment.ts';
import { readLocalFile, removeLocalFile, writeLocalFile, type LocalFile } from './local-file.ts';
import type { Output } from './output.ts';
import { startPlatform, type StartedPlatform } from './platform.ts';
import { stopLeftovers } from './leftovers.ts';
import { processIdentity } from './processes/identity.ts';
import { createLedger } from './processes/ledger.ts';
import { createSupervisor } from './processes/supervisor.ts';
import { loadStarterConfig, type StarterConfig } from './config.ts';
import { credentialsFolder } from './roles.ts';
import { takeStartLock, type StartLock } from './start-lock.ts';
import { waitFor } from './wait-for.ts';

export interface StarterDeps {
  environment: Environment;
  output: Output;
  /** The listener is called for each request to stop. */
  onStopSignal: (listener: () => void) => void;
  /** The same for each request to replace the roles. */
  onRestartSignal: (listener: () => void) => void;
}

const FORCED = 130;

/** Everything `npm start` does. Answers the exit code. */
export async function runStarter({
  environment,
  output,
  onStopSignal,
  onRestartSignal,
}: StarterDeps): Promise<number> {
  const { log } = output;
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

  const found = await lockOrRunning(path.join(dataDir, 'starter.lock'), localFile, output);
  if ('local' in found) {
    announce(output, found.local, localFile);
    return 0;
  }
  const { lock } = found;
  await output.during('stopping leftovers of an earlier start', () => stopLeftovers(dataDir, log));
  removeLocalFile(localFile);

  const supervisor = createSupervisor({
    ledger: createLedger(path.join(dataDir, 'processes.json'), log),
    logsFolder: path.join(dataDir, 'logs'),
    log,
    echo: output.echo,
  });
  const forget = (): void => {
    removeLocalFile(localFile);
    rmSync(credentialsFolder(dataDir), { recursive: true, force: true });
  };
  const stop = new AbortController();
  const stopAsked = new Promise<void>((resolve) => {
    onStopSignal(() => {
      if (stop.signal.aborted) {
        supervisor.killAll();
        forget();
        process.exit(FORCED);
      }
      log('stopping (once more to stop at once)');
      stop.abort();
      resolve();
    });
  });

  let restart = (): void => log('not restarted: it has not started yet');
  onRestartSignal(() => restart());
  let code = 0;
  try {
    const starting = startPlatform({ config, supervisor, output, signal: stop.signal });
    const started = await Promise.race([starting, stopAsked]);
    if (started) {
      const identity = processIdentity(process.pid) ?? '';
      const local = { ...started.local, pid: process.pid, identity, processes: started.processes() };
      writeLocalFile(localFile, local);
      let restarting = Promise.resolve();
      restart = () => {
        restarting = restarting.then(async () => {
          await restartRoles(started, output, stop.signal);
          if (!stop.signal.aborted) writeLocalFile(localFile, { ...local, processes: started.processes() });
        });
      };
      announce(output, local, localFile, started.example);
      await stopAsked;
    }
    starting.catch(() => undefined); // a start that was given up fails, of course
  } catch (cause) {
    log(messageOf(cause));
    code = 1;
  }
  removeLocalFile(localFile);
  await output.during('stopping', () => supervisor.stopAll());
  forget();
  lock.release();
  output.close();
  log(code === 0 ? 'stopped' : 'nothing runs');
  return code;
}

/** One after the other, so that no more is new at once than has to be. */
async function restartRoles(
  { roles }: StartedPlatform,
  { during, log }: Output,
  stop: AbortSignal,
): Promise<void> {
  for (const role of roles) {
    if (stop.aborted) return;
    await during(`replacing the ${role.name}`, () => role.restart()).catch((cause: unknown) =>
      log(messageOf(cause)),
    );
  }
}

/** The lock, or what runs already. While another start is under way, waits for how it ends. */
async function lockOrRunning(
  lockFile: string,
  localFile: string,
  { log }: Output,
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

function announce(
  { log }: Output,
  local: LocalFile,
  localFile: string,
  example?: StartedPlatform['example'],
): void {
  const { gateway, temporal } = local;
  const key = `$(node -p "require('${localFile}').keys.user")`;
  const fields = {
    gateway,
    ...(temporal.ui !== undefined && { temporalUi: temporal.ui }),
    ...(example?.page !== undefined && { example: example.page }),
    local: localFile,
    ...(example && {
      call: `curl -H "authorization: Bearer ${key}" ${gateway}/api/ext/${example.address}/hello/world`,
    }),
  };
  const lines = [`  gateway      ${gateway}`];
  if (fields.temporalUi !== undefined) lines.push(`  Temporal UI  ${fields.temporalUi}`);
  if (fields.example !== undefined) lines.push(`  example      ${fields.example}`);
  lines.push(`  keys, addresses and process ids: ${localFile}`);
  if (fields.call !== undefined) lines.push('', 'Call the example:', `  ${fields.call}`);
  log(`The platform runs (pid ${local.pid}).`, { fields, lines: [...lines, ''] });
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
