import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import type { Instance } from './component.ts';
import { createIdleInstances } from './idle-instances.ts';

const MIB = 1024 * 1024;

class FakeInstance {
  isAbandoned = false;
  abandon(): void {
    this.isAbandoned = true;
  }
}

function instances(count: number): (Instance & FakeInstance)[] {
  return Array.from({ length: count }, () => new FakeInstance() as Instance & FakeInstance);
}
const abandoned = (of: FakeInstance[]): number => of.filter(({ isAbandoned }) => isAbandoned).length;

describe('instances that wait for calls', () => {
  beforeEach(() => void jest.useFakeTimers());
  afterEach(() => void jest.useRealTimers());

  it('gives the one that served last, and each to one call', () => {
    const idle = createIdleInstances()(MIB);
    const made = instances(2);
    for (const instance of made) idle.give(instance);
    expect([idle.take(), idle.take(), idle.take()]).toEqual([made[1], made[0], undefined]);
  });

  it('keeps as many as calls need at once, for as long as they do', () => {
    const idle = createIdleInstances()(MIB);
    const made = instances(24);
    for (const instance of made) idle.give(instance);
    for (let round = 0; round < 5; round += 1) {
      const taken = Array.from({ length: 20 }, () => idle.take());
      jest.advanceTimersByTime(8_000);
      for (const instance of taken) if (instance) idle.give(instance);
    }
    expect([idle.size, abandoned(made)]).toEqual([24, 0]);
    for (let call = 0; call < 10; call += 1) {
      const instance = idle.take();
      jest.advanceTimersByTime(2_000);
      if (instance) idle.give(instance);
    }
    expect(idle.size).toBe(5); // the one that is needed, and few
    jest.advanceTimersByTime(60_000);
    expect([idle.size, abandoned(made)]).toEqual([4, 20]);
    expect(jest.getTimerCount()).toBe(0);
  });

  it('keeps no more bytes than it may in all components, beyond few of each', () => {
    const of = createIdleInstances();
    const [one, other] = [of(48 * MIB), of(48 * MIB)];
    const made = instances(10);
    for (const instance of made) one.give(instance);
    expect(one.size).toBe(8);
    expect(abandoned(made)).toBe(2);
    const others = instances(10);
    for (const instance of others) other.give(instance);
    expect(other.size).toBe(4);
    one.abandonAll();
    for (const instance of instances(10)) other.give(instance);
    expect(other.size).toBe(8);
  });

  it('ends all when its component is unloaded, and watches nothing any more', () => {
    const idle = createIdleInstances()(MIB);
    const made = instances(6);
    for (const instance of made) idle.give(instance);
    idle.abandonAll();
    expect([idle.size, abandoned(made), jest.getTimerCount()]).toEqual([0, 6, 0]);
  });
});
