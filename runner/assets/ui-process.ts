import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { PlatformError } from '../../core/errors.ts';
import type { Logger } from '../../platform/logger.ts';
import type { CacheTier, CountLookup } from '../cache/count-lookup.ts';
import { lowerGroup, NICENESS } from '../sandbox/priority.ts';
import { deathLauncher } from '../sandbox/process.ts';
import {
  sendable,
  type FromUiProcess,
  type ToUiProcess,
  type UiProcessConfig,
} from './ui-process-messages.ts';

const SCRIPT = fileURLToPath(new URL('main.ts', import.meta.url));
/** Files in memory and on their way lie outside the heap. */
const FLAGS = ['--disable-warning=ExperimentalWarning', '--max-old-space-size=256', '--v8-pool-size=1'];
/** After what serves calls when cores are short. */
const SHELL = `exec nice -n ${NICENESS} "$@"`;
/** Its descriptor of the socket that it was given, if it was. */
const SOCKET = 4;
const RESTART_MS = 500;
const MAX_RESTART_MS = 30_000;
/** Having listened for so long it may fail anew. */
const STEADY_MS = 60_000;

export interface UiProcess {
  /** Answers the port in use. Rejects if it cannot listen; one that is lost later is started anew, on the same port. */
  start(): Promise<number>;
  /** Answers what arrived, within so many milliseconds. */
  close(graceMs: number): Promise<void>;
}

/** The public listener, which anybody may ask for anything: its own event loop, memory and place among the processes that want a core. */
export function createUiProcess(
  config: UiProcessConfig,
  { logger, countLookup }: { logger: Logger; countLookup: CountLookup },
): UiProcess {
  let child: ChildProcess | undefined;
  let port = config.listen.port;
  let restartMs = RESTART_MS;
  let restart: NodeJS.Timeout | undefined;
  let closing = false;

  async function begin(): Promise<void> {
    const started = spawnListener(config.environment, config.listen.fd);
    child = started;
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    started.once('error', reject);
    started.once('exit', (code, signal) => {
      const how = signal ?? `code ${code}`;
      reject(new PlatformError('INTERNAL', `the process of the UI listener ended: ${how}`));
    });
    started.on('message', (message: FromUiProcess) => {
      if ('port' in message) resolve(message.port);
      else
        for (const [tier, count] of Object.entries(message.lookups))
          countLookup('ui', tier as CacheTier, count);
    });
    const fd = config.listen.fd === undefined ? undefined : SOCKET;
    say(started, { start: sendable({ ...config, listen: { ...config.listen, port, fd } }) });
    port = await promise;
    const listeningSince = performance.now();
    started.once('exit', () => {
      if (closing) return;
      if (performance.now() - listeningSince > STEADY_MS) restartMs = RESTART_MS;
      lost();
    });
  }

  function lost(): void {
    logger.error({ restartMs }, 'the process of the UI listener is gone: started anew');
    restart = setTimeout(() => {
      begin().catch((err: unknown) => {
        logger.error({ err }, 'the process of the UI listener does not start');
        if (!closing) lost();
      });
    }, restartMs);
    restartMs = Math.min(restartMs * 2, MAX_RESTART_MS);
  }

  return {
    async start() {
      await begin();
      return port;
    },
    async close(graceMs) {
      closing = true;
      clearTimeout(restart);
      if (child?.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
      const ended = once(child, 'exit');
      say(child, { close: graceMs });
      const cut = setTimeout(() => child?.kill('SIGKILL'), 2 * graceMs);
      await ended;
      clearTimeout(cut);
    },
  };
}

function spawnListener(environment: Record<string, string>, fd: number | undefined): ChildProcess {
  const command = [...deathLauncher(), process.execPath, ...FLAGS, SCRIPT];
  const child = spawn('/bin/sh', ['-c', SHELL, 'sh', ...command], {
    env: environment,
    detached: true, // a session of its own, and so a scheduling group
    serialization: 'advanced',
    stdio: ['ignore', 'inherit', 'inherit', 'ipc', ...(fd === undefined ? [] : [fd])],
  });
  if (child.pid !== undefined) void lowerGroup(child.pid);
  return child;
}

/** One that is gone is heard of otherwise. */
function say(child: ChildProcess, message: ToUiProcess): void {
  child.send(message, () => undefined);
}
