import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { waitFor } from '../wait-for.ts';
import { HEALTH, untilSilent, type HealthTimes } from './health.ts';
import type { Ledger } from './ledger.ts';
import { openProcessLog, type ProcessLog } from './process-log.ts';
import {
  answers,
  end,
  launchOnce,
  READY_WITHIN_MS,
  tell,
  tellToStop,
  untilPrepared,
  untilReady,
  type ProcessSpec,
  type Running,
} from './running.ts';
import { GRACE_MS, send } from './stop-process.ts';

export interface Supervised {
  readonly name: string;
  pid: () => number | undefined;
  /** Times another was started in its place. */
  restarts: () => number;
  /**
   * Replaces it without a gap; resolves when its successor serves, while it may still finish what it holds, or when everything is being
   * stopped. Rejects, and leaves it as it is, if none becomes ready.
   */
  restart: () => Promise<void>;
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
  /** Resolves when the process is ready; from then on another is started whenever it dies, or a role is told to stop. */
  start(spec: ProcessSpec): Promise<Supervised>;
  /** Stops everything, the last started first; starts under way are given up. */
  stopAll(): Promise<void>;
  /** At once, without asking. */
  killAll(): void;
}

const FIRST_BACKOFF_MS = 200;
const MAX_BACKOFF_MS = 10_000;
/** One that lived this long did not die of its start. */
const SETTLED_MS = 30_000;
/** A start may be disturbed: by what a service killed a moment ago still holds, or by whoever kills. */
const ATTEMPTS = 3;

export function createSupervisor(deps: SupervisorDeps): Supervisor {
  mkdirSync(deps.logsFolder, { recursive: true, mode: 0o700 });
  const all: SupervisedProcess[] = [];
  const closing = new AbortController();
  return {
    async start(spec) {
      if (closing.signal.aborted) throw new Error(`${spec.name} is not started: everything is being stopped`);
      const one = new SupervisedProcess(deps, spec, closing.signal);
      all.push(one);
      await one.start();
      return one;
    },
    async stopAll() {
      closing.abort();
      for (const one of all.toReversed()) await one.stop();
    },
    killAll() {
      closing.abort();
      for (const { pid } of deps.ledger.running()) send(-pid, 'SIGKILL');
    },
  };
}

class SupervisedProcess implements Supervised {
  readonly name: string;
  readonly #deps: SupervisorDeps;
  readonly #spec: ProcessSpec;
  readonly #output: ProcessLog;
  readonly #own = new AbortController();
  /** Aborted once this or everything is being stopped: from then on nothing is launched. */
  readonly #stop: AbortSignal;
  /** Whether whoever told it to stop was `restart`. */
  #isAsked = false;
  #current: Running | undefined;
  #serving: Running | undefined;
  /** On its way to take the place of the one that serves. */
  #successor: { running: Running; fault: Promise<string | undefined> } | undefined;
  /** Told to stop, with something in hand. */
  readonly #leaving = new Set<Promise<void>>();
  #restarts = 0;
  #watching: Promise<void> | undefined;

  constructor(deps: SupervisorDeps, spec: ProcessSpec, closing: AbortSignal) {
    this.name = spec.name;
    this.#deps = deps;
    this.#spec = spec;
    this.#stop = AbortSignal.any([closing, this.#own.signal]);
    this.#output = openProcessLog({
      file: path.join(deps.logsFolder, `${spec.name}.log`),
      echo: spec.role === true ? (line) => deps.echo?.(spec.name, line) : undefined,
    });
  }

  readonly pid = (): number | undefined =>
    this.#current?.hasEnded === false ? this.#current.pid : undefined;

  readonly restarts = (): number => this.#restarts;

  readonly stop = async (): Promise<void> => {
    this.#own.abort();
    for (const socket of this.#spec.sockets ?? []) socket[Symbol.dispose](); // from here on it is for good
    const mine = [this.#current, this.#successor?.running].filter((one) => one !== undefined);
    await Promise.all(mine.map((one) => this.#end(one)));
    await this.#watching;
    await Promise.all(this.#leaving);
    await this.#output.close();
  };

  readonly restart = async (): Promise<void> => {
    if (this.#stopping()) return;
    const before = this.#serving;
    if (this.#spec.overlaps === true || this.#spec.takesTurns === true) {
      const fault = await this.#prepare();
      if (this.#stopping()) return;
      if (fault !== undefined) throw new Error(`${this.name} is not replaced: its successor ${fault}`);
    }
    this.#isAsked = before !== undefined && tellToStop(before, this.#stopSignal());
    const isReplaced = (): boolean =>
      this.#stopping() || (this.#serving !== before && this.pid() !== undefined);
    if (!(await waitFor(isReplaced, ATTEMPTS * READY_WITHIN_MS))) {
      throw new Error(`${this.name} has no successor that is ready`);
    }
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

  /** A successor; what went wrong, or undefined once it is ready to take the place of what serves. */
  async #prepare(): Promise<string | undefined> {
    const running = launchOnce(this.#spec, this.#output, this.#deps.ledger);
    const until = this.#spec.takesTurns === true ? untilPrepared : untilReady;
    const ready = until(this.#spec, running).then(async (fault) => {
      if (fault === undefined) return undefined;
      this.#successor = undefined;
      await this.#end(running);
      return fault;
    });
    this.#successor = { running, fault: ready };
    return ready;
  }

  /** What went wrong, or undefined once the process is ready. */
  async #launch(): Promise<string | undefined> {
    const successor = this.#successor;
    if (successor && (await successor.fault) === undefined) {
      this.#current = successor.running;
      this.#successor = undefined;
      return this.#spec.takesTurns === true ? this.#untilReady(successor.running) : undefined;
    }
    let running: Running;
    try {
      await this.#spec.before?.();
      if (this.#stopping()) return 'was stopped before it was started';
      running = launchOnce(this.#spec, this.#output, this.#deps.ledger);
    } catch (cause) {
      return `could not be started (${(cause as Error).message})`;
    }
    this.#current = running;
    return this.#untilReady(running);
  }

  async #untilReady(running: Running): Promise<string | undefined> {
    const fault = await untilReady(this.#spec, running);
    if (fault !== undefined) await end(running, 'SIGKILL');
    return fault;
  }

  async #watch(): Promise<void> {
    const { log } = this.#deps;
    let backoff = FIRST_BACKOFF_MS;
    for (let fault: string | undefined; ; fault = await this.#launch()) {
      let how = fault;
      let isTold = false;
      let pause = backoff;
      if (how === undefined) {
        const readyAt = performance.now();
        if (this.#restarts > 0) log(`${this.name} runs again`);
        this.#serving = this.#current;
        const ended = await this.#lived();
        if (this.#stopping()) return;
        how = ended === undefined ? 'was told to stop' : `ended (${ended})`;
        const isDue = this.#isAsked || performance.now() - readyAt > SETTLED_MS;
        this.#isAsked = false;
        if (isDue) backoff = FIRST_BACKOFF_MS;
        pause = backoff;
        isTold = ended === undefined;
        if (isTold && isDue) pause = 0;
      }
      if (this.#stopping()) return;
      log(
        `${this.name} ${how}; starting ${pause > 0 ? `it again in ${pause / 1000} s` : 'another in its place'}`,
      );
      await this.#pause(pause);
      if (isTold && !this.#stopping()) {
        await this.#handOver();
        this.#letGo();
      }
      if (this.#stopping()) return;
      backoff = Math.min(backoff * 2, MAX_BACKOFF_MS);
      this.#restarts += 1;
    }
  }

  /** How the process ended, by itself or because it fell silent; undefined if it was told to stop, and goes on with what it holds. */
  async #lived(): Promise<string | undefined> {
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
    const how = await Promise.race([running.ended, running.drains]);
    over.abort();
    return how;
  }

  /** One that takes turns listens until another is prepared, and has stopped listening before that begins. */
  async #handOver(): Promise<void> {
    const running = this.#current;
    if (this.#spec.takesTurns !== true || !running) return;
    // Where none can be prepared, the start that follows says why.
    if (!this.#successor) await this.#prepare().catch(() => undefined);
    tell(running, 'end');
    const isOver = (): boolean => running.isOver || running.hasEnded || this.#stopping();
    if (!(await waitFor(isOver, READY_WITHIN_MS))) await end(running, 'SIGKILL');
  }

  /** It finishes what it holds, unwatched, for as long as it may be silent. */
  #letGo(): void {
    const running = this.#current;
    if (!running) return;
    const within = Math.max(GRACE_MS, this.#spec.silentMs ?? 0);
    let stopsAt = Infinity;
    const isOver = (): boolean => {
      if (this.#stopping()) stopsAt = Math.min(stopsAt, performance.now() + GRACE_MS);
      return running.hasEnded || performance.now() > stopsAt;
    };
    const left = waitFor(isOver, within)
      .then(() => end(running, 'SIGKILL'))
      .catch((cause: unknown) => this.#deps.log(`${this.name}: ${(cause as Error).message}`))
      .finally(() => this.#leaving.delete(left));
    this.#leaving.add(left);
  }

  #end(running: Running): Promise<void> {
    if (this.#spec.takesTurns === true) tell(running, 'end');
    return end(running, this.#stopSignal());
  }

  #stopSignal(): NodeJS.Signals {
    return this.#spec.stopSignal ?? 'SIGTERM';
  }

  #stopping(): boolean {
    return this.#stop.aborted;
  }

  async #pause(ms: number): Promise<void> {
    await delay(ms, undefined, { signal: this.#stop }).catch(() => undefined); // woken by stop
  }
}
