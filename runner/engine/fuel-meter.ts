import { fuelModule, type FuelExports } from '../../core/wasm/fuel-module.ts';
import { GO_ON, STOP, TAKE_TURN } from '../../core/wasm/reserved.ts';
import { SliceSize } from './slice-size.ts';

/** Fuel for a call of the host, whatever it does. */
const FUEL_PER_CALL = 100;
/** What the host may do for a guest that comes by no check of its own: some 20 ms in which nobody else has a turn. No compiler makes such code. */
const MAX_UNCHECKED = 1_000_000;

/** More than any machine computes: a guest without a limit of its own meets its deadline first. */
export const FUEL_PER_MS = 10_000_000;

/** To instantiate a component takes no time worth speaking of; one whose beginning computes for longer is at fault: nobody else runs meanwhile. */
const START_MS = 200;

/** `deadline` is that of the call which waits for the instance. */
export const startLimits = (deadline = Infinity): FuelLimits => ({
  fuel: START_MS * FUEL_PER_MS,
  deadline: Math.min(deadline, performance.now() + START_MS),
});

export interface FuelLimits {
  /** In units of fuel. */
  fuel: number;
  /** On the clock of `performance.now()`. */
  deadline: number;
  beforeTurn?: () => void;
}

/** Why a guest was stopped. */
export type Stopped = 'fuel' | 'deadline';

const FUEL = new WebAssembly.Module(fuelModule());

/** µs; time that others had the processor does not count. */
function threadCpu(): number {
  const { user, system } = process.threadCpuUsage();
  return user + system;
}

/** Counts what one instance computes, and stops it where it may go no further. All its core modules share `global`. */
export class FuelMeter {
  /** What is left of the slice; below zero, the guest asks for more. */
  readonly global: WebAssembly.Global;
  readonly #take: FuelExports['take'];
  stopped: Stopped | undefined;
  #limits: FuelLimits = { fuel: 0, deadline: 0 };
  #granted = 0;
  /** What was used when the guest last came by a check of its own. */
  #checkedAt = 0;
  #mayWait = false;
  readonly #nextTurn: () => Promise<void>;
  readonly #sliceSize: SliceSize;
  /** Of the running slice, and the processor's time of this thread when it began, µs. */
  #slice = 0;
  #cpuBefore = 0;

  /** `nextTurn` lets others run; `sliceSize` is of all guests of the component. */
  constructor(
    nextTurn: () => Promise<void> = async () => new Promise((resolve) => setImmediate(resolve)),
    sliceSize = new SliceSize(),
  ) {
    this.#nextTurn = nextTurn;
    this.#sliceSize = sliceSize;
    const exports: Partial<FuelExports> = new WebAssembly.Instance(FUEL).exports;
    ({ global: this.global, take: this.#take } = exports as FuelExports);
  }

  /** Starts to count. `mayWait`: other guests get their turn between slices. */
  begin(limits: FuelLimits, mayWait: boolean): void {
    this.#limits = limits;
    this.#mayWait = mayWait;
    this.#granted = 0;
    this.#checkedAt = 0;
    this.stopped = undefined;
    this.#take(this.#left);
    this.#grant();
  }

  get #left(): number {
    return this.#take(0);
  }

  get used(): number {
    return this.#granted - this.#left;
  }

  /** Whatever the guest does next, it ends: nobody waits for it any more. */
  stop(why: Stopped): void {
    this.stopped ??= why;
    const left = this.#left;
    this.#granted -= left + 1;
    this.#take(left + 1);
  }

  /** The guest's slice is used up. */
  readonly spent = (): number => {
    this.#sliceSize.ended(this.#slice, (threadCpu() - this.#cpuBefore) / 1_000);
    const why = this.#reasonToStop();
    if (why !== undefined) {
      this.stopped = why;
      return STOP;
    }
    if (this.#mayWait) return TAKE_TURN;
    this.#grant();
    return GO_ON;
  };

  /**
   * Takes fuel for what the host does. Between calls of the host a guest need not come by a check of its own, so it may be stopped here;
   * its turn it takes at its next check.
   */
  readonly charge = (amount: number): void => {
    const left = this.#take(amount);
    if (left >= 0) return;
    this.#granted += -1 - left;
    this.#take(left + 1);
    this.stopped = this.#reasonToStop();
    if (this.stopped !== undefined) throw new WebAssembly.RuntimeError('the guest was stopped');
  };

  /** For a call of the host, before it. Where the guest may not wait its checks give nobody a turn either. */
  readonly chargeCall = (): void => {
    if (this.#mayWait && this.used - this.#checkedAt > MAX_UNCHECKED) {
      throw new WebAssembly.RuntimeError('the guest calls the host without end and lets nobody else run');
    }
    this.charge(FUEL_PER_CALL);
  };

  /** Goes on when it is this guest's turn again. */
  readonly turn = async (): Promise<number> => {
    this.#limits.beforeTurn?.();
    await this.#nextTurn();
    const why = this.#reasonToStop();
    if (why !== undefined) {
      this.stopped = why;
      return STOP;
    }
    this.#grant();
    return GO_ON;
  };

  /** With a frame of JavaScript below it a guest cannot be suspended; it goes on and takes its turn later. */
  readonly withoutWaiting = <T>(run: () => T): T => {
    const before = this.#mayWait;
    this.#mayWait = false;
    try {
      return run();
    } finally {
      this.#mayWait = before;
    }
  };

  #reasonToStop(): Stopped | undefined {
    if (this.stopped !== undefined) return this.stopped;
    if (this.used > this.#limits.fuel) return 'fuel';
    return performance.now() >= this.#limits.deadline ? 'deadline' : undefined;
  }

  /** One charge may have taken more than a slice. */
  #grant(): void {
    const wanted = this.#sliceSize.units - Math.min(0, this.#left);
    this.#slice = Math.min(wanted, this.#limits.fuel - this.#granted);
    this.#granted += this.#slice;
    this.#take(-this.#slice);
    this.#checkedAt = this.used;
    this.#cpuBefore = threadCpu();
  }
}
