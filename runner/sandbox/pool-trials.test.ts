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

describe('a trial on a runner that is full of single idle processes', () => {
  const full = async (tenantMax = 2) => {
    jest.useFakeTimers();
    const field = setup({ max: 4, tenantMax });
    for (const tenant of ['a', 'b', 'c', 'd']) await use(field.place(tenant));
    return field;
  };
  const NEW = { ...TRIAL, contentHash: 'new' };

  it('takes the one that nobody has used for longest, once that is a while ago', async () => {
    const { place, made } = await full();
    const trial = place('a', NEW);
    await jest.advanceTimersByTimeAsync(5_000);
    await use(place('b'));
    expect(made.map(({ alive }) => alive)).toEqual([true, true, true, true]);
    await jest.advanceTimersByTimeAsync(8_000);
    expect(made.map(({ alive }) => alive)).toEqual([true, true, false, true, true]);
    expect(await use(trial)).toBe(made[4]);
    expect(await use(place('a', NEW))).toBe(made[4]);
  });

  it('takes no second one while it has one, nor what its own tenant is called in', async () => {
    const { place, made } = await full(3);
    await jest.advanceTimersByTimeAsync(12_000);
    const trial = await place('a', NEW);
    const next = place('a', { ...TRIAL, contentHash: 'newer' });
    await jest.advanceTimersByTimeAsync(5_000);
    expect(made.map(({ alive }) => alive)).toEqual([true, false, true, true, true]);
    trial.release();
    await jest.advanceTimersByTimeAsync(1);
    await use(next); // in the place of the one before
    expect(made.map(({ alive }) => alive)).toEqual([true, false, true, true, false, true]);
  });

  it('is all that may: a second process for calls takes nobody’s only one', async () => {
    const { place, made } = await full();
    await jest.advanceTimersByTimeAsync(30_000);
    const held = await place('a');
    for (const sandbox of made) sandbox.saturated = true;
    expect((await place('a')).sandbox).toBe(held.sandbox);
    expect(made).toHaveLength(4);
  });
});

describe('what was warmed for a version', () => {
  it('stays for its probe, though the tenant’s calls would have a use for its process', async () => {
    jest.useFakeTimers();
    const { place, made } = setup();
    await place('a', { contentHash: 'old' });
    const NEW = { ...TRIAL, contentHash: 'new' };
    const warm = await use(place('a', NEW));
    for (const sandbox of made) sandbox.saturated = true;
    await place('a', { contentHash: 'old' });
    expect(await use(place('a', NEW))).toBe(warm);
    expect(made).toHaveLength(2);
    await jest.advanceTimersByTimeAsync(15_000);
    await place('a', { contentHash: 'old' });
    expect(warm.alive).toBe(false); // whoever warmed it has left it
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
