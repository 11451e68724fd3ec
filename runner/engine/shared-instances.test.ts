import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import type { Instance } from './component.ts';
import { beginLife, createSharedInstances, type Life, type SharedInstances } from './shared-instances.ts';

// Real instances are shared in test/integration/shared-instances.test.ts.

const MIB = 1024 * 1024;
const MINUTE = 60_000;

/** An instance as far as its life goes. */
class Held implements Instance {
  abandoned = false;
  memoryBytes: number;
  readonly outOfMemory = false;
  readonly fuel = 0;
  readonly stopped = undefined;

  constructor(memoryMb = 10) {
    this.memoryBytes = memoryMb * MIB;
  }
  run(): never {
    throw new Error('nobody calls it');
  }
  abandon(): void {
    this.abandoned = true;
  }
  rewind(): boolean {
    return false;
  }
  stay(): Promise<boolean> {
    return Promise.resolve(true);
  }
}

beforeEach(() => {
  jest.useFakeTimers();
});
afterEach(() => {
  jest.useRealTimers();
});

const begin = (name: string, instance: Instance = new Held(), limitMb = 128): Life =>
  beginLife(name, instance, limitMb * MIB);

/** Begins one for each name, which then lies idle. */
function fill(shared: SharedInstances, names: readonly string[], memoryMb?: number): Held[] {
  return names.map((name) => {
    const instance = new Held(memoryMb);
    shared.keep(begin(name, instance, 512));
    return instance;
  });
}

describe('shared instances', () => {
  it('are given out by name, to one call at a time', () => {
    const shared = createSharedInstances();
    const [a, b] = fill(shared, ['a', 'b']);
    expect(shared.take('c')).toBeUndefined();
    expect(shared.take('a')?.instance).toBe(a);
    expect(shared.take('a')).toBeUndefined();
    expect(shared.take('b')?.instance).toBe(b);
  });

  it('are one for a name: of two that served at the same time, the last stays', () => {
    const shared = createSharedInstances();
    const [first, second] = fill(shared, ['a', 'a']);
    expect(shared.take('a')?.instance).toBe(second);
    expect([first?.abandoned, second?.abandoned]).toEqual([true, false]);
  });

  it('serve a thousand calls and no more', () => {
    const shared = createSharedInstances();
    const instance = new Held();
    let life = begin('a', instance);
    for (let calls = 1; calls < 1_000; calls += 1) {
      shared.keep(life);
      life = shared.take('a') ?? begin('a');
      expect(life.instance).toBe(instance);
    }
    shared.keep(life);
    expect([shared.take('a'), instance.abandoned]).toEqual([undefined, true]);
  });

  it('live for five minutes from their first call, in use or idle', () => {
    const shared = createSharedInstances();
    const [idle, used] = fill(shared, ['idle', 'used']);
    jest.advanceTimersByTime(5 * MINUTE - 1);
    expect(idle?.abandoned).toBe(false);
    const life = shared.take('used');
    jest.advanceTimersByTime(1);
    expect([idle?.abandoned, used?.abandoned]).toEqual([true, false]);
    if (life) shared.keep(life);
    expect([shared.take('used'), used?.abandoned]).toEqual([undefined, true]);
  });

  it('hold no process open by the timers that end them', () => {
    jest.useRealTimers();
    const shared = createSharedInstances();
    const timer = jest.spyOn(globalThis, 'setTimeout');
    fill(shared, ['a']);
    const [made] = timer.mock.results;
    timer.mockRestore();
    expect((made?.value as NodeJS.Timeout).hasRef()).toBe(false);
    clearTimeout(made?.value as NodeJS.Timeout);
  });

  it('have no timer while they serve, nor when they are gone', () => {
    const shared = createSharedInstances();
    fill(shared, ['a', 'a', 'b']);
    expect(jest.getTimerCount()).toBe(2);
    shared.take('a');
    expect(jest.getTimerCount()).toBe(1);
    jest.runAllTimers();
    expect([jest.getTimerCount(), shared.take('b')]).toEqual([0, undefined]);
  });

  it.each([
    [10, 512, 42], // 32 MiB
    [10, 50, 20], // a quarter of the room it had
    [10, 10, 10], // none
  ])('of %i MiB that may use %i are thrown away beyond %i', (memoryMb, limitMb, mostMb) => {
    const shared = createSharedInstances();
    const instance = new Held(memoryMb);
    const life = begin('a', instance, limitMb);
    instance.memoryBytes = mostMb * MIB;
    shared.keep(life);
    expect(shared.take('a')).toBe(life);
    instance.memoryBytes += 1;
    shared.keep(life);
    expect([shared.take('a'), instance.abandoned]).toEqual([undefined, true]);
  });

  it('are at most 32, of which the one that served longest ago goes first', () => {
    const shared = createSharedInstances();
    const names = Array.from({ length: 32 }, (_, at) => `n${at}`);
    const [first, second] = fill(shared, names, 1);
    const life = shared.take('n0');
    if (life) shared.keep(life);
    fill(shared, ['one more'], 1);
    expect([first?.abandoned, second?.abandoned]).toEqual([false, true]);
    const more = Array.from({ length: 10_000 }, (_, at) => `m${at}`);
    const left = fill(shared, more, 1).filter(({ abandoned }) => !abandoned);
    expect([left.length, jest.getTimerCount(), first?.abandoned]).toEqual([32, 32, true]);
  });

  it('hold at most 256 MiB together', () => {
    const shared = createSharedInstances();
    const held = fill(shared, ['a', 'b', 'c', 'd'], 64);
    expect(held.some(({ abandoned }) => abandoned)).toBe(false);
    const [small] = fill(shared, ['small'], 1);
    expect(held.map(({ abandoned }) => abandoned)).toEqual([true, false, false, false]);
    const [large] = fill(shared, ['all of it'], 256);
    expect([...held, small, large].map((instance) => instance?.abandoned)).toEqual([
      ...Array<boolean>(5).fill(true),
      false,
    ]);
  });

  it('of more than that are kept for nobody, and cost no other one its place', () => {
    const shared = createSharedInstances();
    const [small, large] = [...fill(shared, ['small'], 1), ...fill(shared, ['large'], 257)];
    expect([small?.abandoned, large?.abandoned]).toEqual([false, true]);
  });
});
