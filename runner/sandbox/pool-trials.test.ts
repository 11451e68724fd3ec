import { afterEach, describe, expect, it, jest } from '@jest/globals';
import {
  closePools,
  MIB,
  settled,
  setupPool as setup,
  TRIAL,
  use,
} from '../../test/support/fake-sandboxes.ts';

afterEach(async () => {
  jest.useRealTimers();
  await closePools();
});

describe('a version on trial', () => {
  it('runs where no call does, and is called there when it went well', async () => {
    const { pool, place } = setup();
    const live = await use(place('a', { contentHash: 'old' }));
    const warm = await use(place('a', { ...TRIAL, contentHash: 'new' }));
    expect(warm).not.toBe(live);
    expect(await use(place('a', { ...TRIAL, contentHash: 'new' }))).toBe(warm);
    expect(pool.states()).toMatchObject({ trial: 1, idle: 1 });
    expect(await use(place('a', { contentHash: 'new' }))).toBe(warm);
    expect(await use(place('a', { contentHash: 'old' }))).toBe(live);
    expect(pool.states()).toMatchObject({ trial: 0, idle: 2 });
    expect(await use(place('a', { ...TRIAL, contentHash: 'new' }))).toBe(warm); // it serves
  });

  it('is named as what it is in the machine’s list of processes, also once calls take it over', async () => {
    const { place, made } = setup();
    const roles = () => made.map(({ role }) => role);
    await use(place('a', { ...TRIAL, contentHash: 'new' }));
    expect(roles()).toEqual(['trial']);
    await use(place('a', { contentHash: 'new' }));
    expect(roles()).toEqual(['tenant']);
  });

  it('is not called where it went wrong, nor while it is being tried', async () => {
    const { place, made } = setup();
    const trial = await place('a', TRIAL);
    const call = await place('a');
    expect(call.sandbox).not.toBe(trial.sandbox);
    trial.release('failed');
    expect(made.map(({ alive }) => alive)).toEqual([false, true]);
  });

  it('waits for the one before it, where its tenant has no room for two', async () => {
    const { place } = setup();
    const first = await place('a', TRIAL);
    const second = place('a', { ...TRIAL, contentHash: 'two' });
    expect(await settled(second)).toBe(false);
    first.release();
    expect((await second).sandbox).not.toBe(first.sandbox);
  });
});

describe('memory', () => {
  it('is charged at admission: what does not fit waits, of its tenant and in all', async () => {
    const { pool, place } = setup({ memoryBytes: 600 * MIB, tenantMemoryBytes: 400 * MIB });
    const first = await place('a', { memoryBytes: 200 * MIB });
    expect(pool.chargedBytes).toBe(264 * MIB);
    const second = place('a', { memoryBytes: 200 * MIB });
    const other = await place('b', { memoryBytes: 200 * MIB });
    const third = place('c', { memoryBytes: 64 * MIB });
    expect(await Promise.all([settled(second), settled(third)])).toEqual([false, false]);
    other.release();
    (await third).release();
    first.release();
    (await second).release();
  });

  it('is given to what needs more than there is, when nothing else runs', async () => {
    const { place } = setup({ memoryBytes: 100 * MIB, tenantMemoryBytes: 100 * MIB });
    const large = await place('a', { memoryBytes: 1024 * MIB });
    const next = place('b');
    expect(await settled(next)).toBe(false);
    large.release();
    (await next).release();
  });

  it('is charged as measured, and idle processes go when others need it', async () => {
    jest.useFakeTimers();
    const { pool, place, made } = setup({ memoryBytes: 600 * MIB, tenantMemoryBytes: 600 * MIB });
    const held = await place('a');
    if (made[0]) made[0].residentBytes = 450 * MIB;
    await jest.advanceTimersByTimeAsync(250);
    held.release();
    await jest.advanceTimersByTimeAsync(250);
    expect(pool.chargedBytes).toBe(450 * MIB);
    const other = await place('b');
    await place('b', { memoryBytes: 100 * MIB });
    expect(made.map(({ alive }) => alive)).toEqual([false, true]);
    other.release();
  });
});
