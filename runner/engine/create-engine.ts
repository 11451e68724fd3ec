import { setImmediate as turn } from 'node:timers/promises';
import { PlatformError } from '../../core/errors.ts';
import type { Component, Instance } from './component.ts';
import type {
  Engine,
  EngineArtifact,
  ExecutionLimits,
  GuestFault,
  GuestOutcome,
  GuestRequest,
  Host,
} from './engine.ts';
import { FUEL_PER_MS } from './fuel-meter.ts';
import { compileGlued } from './glue-component.ts';
import type { Call } from './host-imports.ts';
import { compileLinked } from './linked-component.ts';
import { createIdleInstances, type IdleInstances } from './idle-instances.ts';
import { createTurns, type Turns } from './turns.ts';
import { beginLife, createSharedInstances, type SharedInstances } from './shared-instances.ts';

const MIB = 1024 * 1024;

interface Loaded {
  component: Component;
  idle: IdleInstances;
  /** Calls. */
  underWay: number;
  /** Of an instance as it begins. */
  memoryBytes: number;
}

/** Fresh state for every call that names no shared instance: an instance serves one at a time, and is rewound or thrown away after it. */
export function createEngine(): Engine {
  const loading = new Map<string, Promise<Loaded>>();
  const loaded = new Map<string, Loaded>();
  const shared = createSharedInstances();
  const idleOf = createIdleInstances();
  const turns = createTurns();

  return {
    isLoaded: (contentHash) => loaded.has(contentHash),

    async load(artifact) {
      const { contentHash } = artifact;
      let compiling = loading.get(contentHash);
      if (!compiling) {
        compiling = compile(artifact, turns, idleOf);
        loading.set(contentHash, compiling);
        compiling.catch(() => loading.delete(contentHash));
      }
      const component = await compiling;
      loaded.set(contentHash, component);
      return { memoryBytes: component.memoryBytes };
    },

    unload(contentHash) {
      const known = loaded.get(contentHash);
      loading.delete(contentHash);
      loaded.delete(contentHash);
      known?.idle.abandonAll();
      shared.endAll(`${contentHash} `);
    },

    execute: async (contentHash, request, host, limits, sharedInstance) => {
      const known = loaded.get(contentHash);
      if (!known) throw new Error(`component ${contentHash} is not loaded`);
      // No two components share one, whatever it is called.
      const name = sharedInstance && `${contentHash} ${sharedInstance}`;
      return runOnce({ loaded: known, shared, name }, request, host, limits);
    },
  };
}

async function compile(
  { plan, glue, ...artifact }: EngineArtifact,
  turns: Turns,
  idleOf: (instanceBytes: number) => IdleInstances,
): Promise<Loaded> {
  let component: Component;
  if (plan) component = await compileLinked(artifact, plan, turns);
  else if (glue) component = await compileGlued(artifact, glue);
  else throw new Error('the artifact says nowhere how its core modules are linked');
  try {
    const first = component.instantiate();
    const idle = idleOf(first.memoryBytes);
    idle.give(first);
    return { component, idle, underWay: 0, memoryBytes: first.memoryBytes };
  } catch (cause) {
    throw new PlatformError('GUEST_TRAPPED', 'the component cannot be instantiated', { cause });
  }
}

interface Instances {
  loaded: Loaded;
  shared: SharedInstances;
  /** Of the shared one to serve; without it, fresh state. */
  name: string | undefined;
}

async function runOnce(
  { loaded, shared, name }: Instances,
  request: GuestRequest,
  host: Host,
  { timeoutMs, memoryMb, fuel = timeoutMs * FUEL_PER_MS }: ExecutionLimits,
): Promise<GuestOutcome> {
  const deadline = performance.now() + timeoutMs;
  const watch = new DeadlineWatch(deadline);
  const call: Call = { host, deadline, wroteToStderr: false, onWait: () => watch.begin() };
  const beforeTurn = (): void => host.beforeTurn?.();
  const limits = { fuel, deadline, memoryBytes: memoryMb * MIB, beforeTurn };
  let instance: Instance | undefined;
  loaded.underWay += 1;
  try {
    const known = name === undefined ? undefined : shared.take(name);
    instance =
      known?.instance ??
      loaded.idle.take() ??
      (await instanceGivenBack(loaded)) ??
      loaded.component.instantiate(deadline);
    const life = known ?? (name === undefined ? undefined : beginLife(name, instance, limits.memoryBytes));
    const response = await watch.orTimeout(instance.run(request, call, limits));
    const stays = life && (await watch.orTimeout(instance.stay()));
    const usage = usageOf(instance);
    if (life) {
      if (stays) shared.keep(life);
      else instance.abandon();
    } else if (instance.rewind()) loaded.idle.give(instance);
    return { ok: true, response, ...usage };
  } catch (error) {
    const usage = usageOf(instance);
    const fault = classify(error, { call, instance });
    instance?.abandon();
    if (call.hostFault) throw call.hostFault.cause;
    return { ok: false, ...fault, ...usage };
  } finally {
    watch.end();
    loaded.underWay -= 1;
    // The answer leaves at the end of this turn of the event loop, and does not wait for the next call's instance.
    if (loaded.idle.size === 0) setImmediate(setImmediate, prepare, loaded);
  }
}

class DeadlineError extends Error {}

/**
 * Ends a call whose guest waits for the host at its deadline: it computes nothing that could be stopped. One that computes is stopped by
 * its own checks, so most calls need no timer.
 */
class DeadlineWatch {
  readonly #deadline: number;
  #timer: NodeJS.Timeout | undefined;
  #reject: (cause: DeadlineError) => void = () => undefined;

  constructor(deadline: number) {
    this.#deadline = deadline;
  }

  begin(): void {
    this.#timer ??= setTimeout(
      () => this.#reject(new DeadlineError()),
      Math.max(0, this.#deadline - performance.now()),
    );
  }

  end(): void {
    clearTimeout(this.#timer);
  }

  orTimeout<T>(running: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#reject = reject;
      running.then(resolve, reject);
    });
  }
}

/** Of calls that come together, each gives its instance back within a turn, unless it waits for the host: sooner than another one is made. */
async function instanceGivenBack({ idle, underWay }: Loaded): Promise<Instance | undefined> {
  if (underWay > 1) await turn();
  return idle.take();
}

function prepare({ idle, component }: Loaded): void {
  if (idle.size > 0) return;
  try {
    idle.give(component.instantiate());
  } catch {
    // The next call instantiates by itself and answers with the fault.
  }
}

function usageOf(instance: Instance | undefined): { memoryBytes: number; fuel: number } {
  return { memoryBytes: instance?.memoryBytes ?? 0, fuel: instance?.fuel ?? 0 };
}

interface Ended {
  call: Call;
  instance: Instance | undefined;
}

/**
 * A guest that was refused memory and ends is taken to have ended for it. One that aborts after it wrote to standard error ended as
 * language runtimes do on an uncaught exception or a panic; any other trap is a fault.
 */
function classify(error: unknown, { call, instance }: Ended): { code: GuestFault; message: string } {
  if (error instanceof DeadlineError) {
    return { code: 'GUEST_TIMEOUT', message: 'the guest was still waiting at its deadline' };
  }
  // V8 reports a stack that overflowed, and the glue an address outside of the memory, as a RangeError.
  // A function of a module that is not valid is found where it is called.
  const trapped =
    error instanceof WebAssembly.RuntimeError ||
    error instanceof RangeError ||
    error instanceof WebAssembly.CompileError;
  if (!trapped) {
    return {
      code: 'GUEST_ERROR',
      message: 'the guest answered with something that is no response of its world',
    };
  }
  if (!instance && performance.now() >= call.deadline) {
    return { code: 'GUEST_TIMEOUT', message: 'the guest was still beginning at its deadline' };
  }
  switch (instance?.stopped) {
    case 'fuel':
      return { code: 'GUEST_OUT_OF_FUEL', message: 'the guest used up its fuel' };
    case 'deadline':
      return { code: 'GUEST_TIMEOUT', message: 'the guest was still computing at its deadline' };
    default:
  }
  if (instance?.outOfMemory === true) {
    return { code: 'GUEST_OUT_OF_MEMORY', message: 'the guest aborted when it was refused memory' };
  }
  return call.wroteToStderr
    ? { code: 'GUEST_ERROR', message: 'the guest ended with an error, which it wrote to standard error' }
    : { code: 'GUEST_TRAPPED', message: 'the guest trapped' };
}
