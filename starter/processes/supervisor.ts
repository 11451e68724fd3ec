import { spawn, type ChildProcess } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { waitFor } from '../wait-for.ts';
import { HEALTH, untilSilent, type HealthTimes } from './health.ts';
import { processIdentity } from './identity.ts';
import type { Ledger, LedgerEntry } from './ledger.ts';
import { openProcessLog, type ProcessLog } from './process-log.ts';
import { send, stopProcess } from './stop-process.ts';

export interface ProcessSpec {
  name: string;
  command: string;
  args: readonly string[];
  /** The whole environment: nothing is inherited. */
  env: Readonly<Record<string, string>>;
  uid?: number;
  gid?: number;
  cwd?: string;
  /** A process of ours: connected over IPC, so that it notices when we are gone and we that it hangs; its lines are shown. */
  role?: boolean;
  stopSignal?: LedgerEntry['stopSignal'];
  /** Done ahead of each launch. */
  before?: () => Promise<void>;
  /** Asked until true. */
  ready: (pid: number) => Promise<boolean>;
  readyWithinMs?: number;
  /** Asked from then on, now and again; one that is silent for too long is killed, and started again. */
  alive?: () => Promise<boolean>;
  /** How long is too long, where that is more than usual. */
  silentMs?: number;
}

export interface Supervised {
  readonly name: string;
  pid: () => number | undefined;
  /** Times it was started again after it died or fell silent. */
  restarts: () => number;
  stop: () => Promise<void>;
}

export interface SupervisorDeps {
  ledger: Ledger;
  logsFolder: string;
  log: (line: string) => void;
  /** Shows what a role writes. */
  echo?: (name: string, line: string) => void;
  health?: HealthTimes;
}

export interface Supervisor {
  /** Resolves when the process is ready; from then on it is started again whenever it dies. */
  start(spec: ProcessSpec): Promise<Supervised>;
  /** Stops everything, the last started first; starts under way are given up. */
  stopAll(): Promise<void>;
  /** At once, without asking. */
  killAll(): void;
}

const READY_WITHIN_MS = 60_000;
const FIRST_BACKOFF_MS = 200;
const MAX_BACKOFF_MS = 10_000;
/** One that lived this long did not die of its start. */
const SETTLED_MS = 30_000;
/** A start may be disturbed: by what a service killed a moment ago still holds, or by whoever kills. */
const ATTEMPTS = 3;
const SAYS_WITHIN_MS = 10_000;

interface Running {
  child: ChildProcess;
  pid: number;
  identity: string | undefined;
  ended: Promise<string>;
  hasEnded: boolean;
  /** When it last said over IPC that its event loop turns. */
  heardAt: number;
}

export function createSupervisor(deps: SupervisorDeps): Supervisor {
  mkdirSync(deps.logsFolder, { recursive: true, mode: 0o700 });
  const all: SupervisedProcess[] = [];
  let stopped = false;
  return {
    async start(spec) {
      if (stopped) throw new Error(`${spec.name} is not started: everything is being stopped`);
      const one = new SupervisedProcess(deps, spec);
      all.push(one);
      await one.start();
      return one;
    },
    async stopAll() {
      stopped = true;
      for (const one of all.toReversed()) await one.stop();
    },
    killAll() {
      stopped = true;
      for (const { pid } of deps.ledger.running()) send(-pid, 'SIGKILL');
    },
  };
}

class SupervisedProcess implements Supervised {
  readonly name: string;
  readonly #deps: SupervisorDeps;
  readonly #spec: ProcessSpec;
  readonly #output: ProcessLog;
  readonly #stop = new AbortController();
  #current: Running | undefined;
  #restarts = 0;
  #watching: Promise<void> | undefined;

  constructor(deps: SupervisorDeps, spec: ProcessSpec) {
    this.name = spec.name;
    this.#deps = deps;
    this.#spec = spec;
    this.#output = openProcessLog({
      file: path.join(deps.logsFolder, `${spec.name}.log`),
      echo: spec.role === true ? (line) => deps.echo?.(spec.name, line) : undefined,
    });
  }

  readonly pid = (): number | undefined =>
    this.#current?.hasEnded === false ? this.#current.pid : undefined;

  readonly restarts = (): number => this.#restarts;

  readonly stop = async (): Promise<void> => {
    this.#stop.abort();
    if (this.#current) await end(this.#current, this.#spec.stopSignal ?? 'SIGTERM');
    await this.#watching;
    await this.#output.close();
  };

  async start(): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      const fault = await this.#launch();
      if (this.#stopping()) throw new Error(`${this.name} was stopped before it was ready`);
      if (fault === undefined) break;
      if (attempt === ATTEMPTS) {
        const { file } = this.#output;
        throw new Error(`${this.name} ${fault}; its last lines (${file}):\n${this.#output.tail()}`);
      }
      this.#deps.log(`${this.name} ${fault}; trying once more`);
      await this.#pause(FIRST_BACKOFF_MS * 2 ** attempt);
    }
    this.#watching = this.#watch();
  }

  /** What went wrong, or undefined once the process is ready. */
  async #launch(): Promise<string | undefined> {
    let running: Running;
    try {
      await this.#spec.before?.();
      if (this.#stopping()) return 'was stopped before it was started';
      running = launchOnce(this.#spec, this.#output, this.#deps.ledger);
    } catch (cause) {
      return `could not be started (${(cause as Error).message})`;
    }
    this.#current = running;
    const fault = await untilReady(this.#spec, running);
    if (fault !== undefined) await end(running, 'SIGKILL');
    return fault;
  }

  async #watch(): Promise<void> {
    const { log } = this.#deps;
    let backoff = FIRST_BACKOFF_MS;
    for (let fault: string | undefined; ; fault = await this.#launch()) {
      let how = fault;
      if (how === undefined) {
        const readyAt = performance.now();
        if (this.#restarts > 0) log(`${this.name} runs again`);
        how = `ended (${await this.#lived()})`;
        if (performance.now() - readyAt > SETTLED_MS) backoff = FIRST_BACKOFF_MS;
      }
      if (this.#stopping()) return;
      log(`${this.name} ${how}; starting it again in ${backoff / 1000} s`);
      await this.#pause(backoff);
      if (this.#stopping()) return;
      backoff = Math.min(backoff * 2, MAX_BACKOFF_MS);
      this.#restarts += 1;
    }
  }

  /** How the process ended, by itself or because it fell silent. */
  async #lived(): Promise<string> {
    const running = this.#current;
    if (!running) return 'it never ran';
    const { health = HEALTH, log } = this.#deps;
    const over = new AbortController();
    const silentMs = this.#spec.silentMs ?? health.silentMs;
    void untilSilent(() => answers(this.#spec, running), { ...health, silentMs }, over.signal)
      .then(async (silent) => {
        if (!silent || this.#stopping()) return;
        log(`${this.name} lives and has not answered for ${silentMs / 1000} s; it is killed`);
        await end(running, 'SIGKILL');
      })
      .catch((cause: unknown) => log(`${this.name}: ${(cause as Error).message}`)); // it does not even die
    const how = await running.ended;
    over.abort();
    return how;
  }

  #stopping(): boolean {
    return this.#stop.signal.aborted;
  }

  async #pause(ms: number): Promise<void> {
    await delay(ms, undefined, { signal: this.#stop.signal }).catch(() => undefined); // woken by stop
  }
}

async function end(running: Running, signal: NodeJS.Signals): Promise<void> {
  if (running.hasEnded) return;
  if (running.identity !== undefined) await stopProcess(running.pid, running.identity, signal);
  await running.ended;
}

function launchOnce(spec: ProcessSpec, output: ProcessLog, ledger: Ledger): Running {
  const child = spawn(spec.command, spec.args, {
    env: { ...spec.env },
    stdio: ['ignore', 'pipe', 'pipe', ...(spec.role === true ? (['ipc'] as const) : [])],
    // A group of its own: Ctrl-C in the terminal reaches the starter alone, which stops the rest in order.
    detached: true,
    ...(spec.cwd !== undefined && { cwd: spec.cwd }),
    ...(spec.uid !== undefined && { uid: spec.uid }),
    ...(spec.gid !== undefined && { gid: spec.gid }),
  });
  const { pid } = child;
  if (pid !== undefined) ledger.add(spec.name, pid, spec.stopSignal ?? 'SIGTERM');
  output.take(child.stdout);
  output.take(child.stderr);
  const ended = new Promise<string>((resolve) => {
    child.on('error', (cause) => resolve(cause.message));
    child.once('exit', (code, signal) => resolve(signal ?? `code ${code ?? 'unknown'}`));
  });
  const running: Running = {
    child,
    pid: pid ?? -1,
    identity: pid === undefined ? undefined : processIdentity(pid),
    hasEnded: false,
    heardAt: 0,
    ended,
  };
  child.on('message', () => (running.heardAt = performance.now()));
  void ended.then(() => {
    running.hasEnded = true;
    if (pid === undefined) return;
    // What it started itself and left behind lies in its group.
    send(-pid, 'SIGKILL');
    ledger.remove(pid);
  });
  return running;
}

/** What went wrong, or undefined once the process is ready. */
async function untilReady(spec: ProcessSpec, running: Running): Promise<string | undefined> {
  const within = spec.readyWithinMs ?? READY_WITHIN_MS;
  const settled = async (): Promise<boolean> => running.hasEnded || spec.ready(running.pid);
  if (!(await waitFor(settled, within))) return `was not ready within ${within / 1000} s`;
  return running.hasEnded ? `ended before it was ready (${await running.ended})` : undefined;
}

async function answers(spec: ProcessSpec, running: Running): Promise<boolean> {
  if (spec.role === true && !(await itsLoopTurns(running))) return false;
  return (await spec.alive?.()) ?? true;
}

/** leave-with-starter.ts answers whatever it is sent. */
function itsLoopTurns(running: Running): Promise<boolean> {
  const askedAt = performance.now();
  running.child.send('alive?', () => undefined); // not sent: not answered
  return waitFor(() => running.hasEnded || running.heardAt >= askedAt, SAYS_WITHIN_MS, 100);
}
