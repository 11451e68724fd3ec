import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { closePools, settled, setupPool as setup, use } from '../../test/support/fake-sandboxes.ts';

afterEach(async () => {
  jest.useRealTimers();
  await closePools();
});

describe('the sandbox pool', () => {
  it('gives a tenant the same sandbox every time, and never one of another tenant', async () => {
    const { made, place } = setup();
    const a = await use(place('a'));
    const b = await use(place('b'));
    expect(await use(place('a'))).toBe(a);
    expect(b).not.toBe(a);
    expect(made).toHaveLength(2);
  });

  it('binds a spare that was started ahead, and starts another, but not beside the first call', async () => {
    jest.useFakeTimers();
    const { pool, made, place } = setup({ spares: 1 });
    pool.start();
    expect(made).toHaveLength(1);
    expect(await use(place('a'))).toBe(made[0]);
    await jest.advanceTimersByTimeAsync(100);
    expect(made).toHaveLength(1);
    await jest.advanceTimersByTimeAsync(400);
    expect(made).toHaveLength(2);
  });

  it('never gives a sandbox that was bound to anyone else, even when its tenant is gone', async () => {
    const { place } = setup({ max: 1 });
    const a = await use(place('a'));
    const b = await use(place('b'));
    expect(b).not.toBe(a);
    expect(a.alive).toBe(false);
  });

  it('replaces a sandbox that came to a bad end, after a pause', async () => {
    const { place, ends } = setup();
    const first = await use(place('a'));
    const began = performance.now();
    first.kill('crashed');
    await new Promise(setImmediate);
    const second = await use(place('a'));
    expect(second).not.toBe(first);
    expect(second.alive).toBe(true);
    expect(performance.now() - began).toBeGreaterThan(50);
    expect(ends).toEqual(['crashed']);
  });

  it('replaces a spare that died waiting, after a pause', async () => {
    jest.useFakeTimers();
    const { pool, made } = setup({ spares: 1 });
    pool.start();
    made[0]?.kill('crashed');
    await jest.advanceTimersByTimeAsync(500);
    expect(made).toHaveLength(1);
    await jest.advanceTimersByTimeAsync(1_000);
    expect(made).toHaveLength(2);
  });

  it('reclaims the sandbox that was idle longest when it is full', async () => {
    const { pool, place } = setup({ max: 2 });
    const a = await use(place('a'));
    const b = await use(place('b'));
    await use(place('a'));
    await use(place('c'));
    expect([a.alive, b.alive]).toEqual([true, false]);
    expect(pool.states()).toEqual({ spare: 0, trial: 0, idle: 2, busy: 0 });
  });

  it('ends what was idle for long, and has the rest beat', async () => {
    jest.useFakeTimers();
    const { place, made, ends } = setup({ idleMs: 60_000 });
    await use(place('a'));
    const busy = await place('b');
    await jest.advanceTimersByTimeAsync(50_000);
    expect(made.map(({ alive }) => alive)).toEqual([true, true]);
    await jest.advanceTimersByTimeAsync(15_000);
    expect(made.map(({ alive }) => alive)).toEqual([false, true]);
    expect(made[1]?.beats).toBeGreaterThan(20);
    busy.release();
    expect(ends).toEqual(['reclaimed']);
  });

  it('is busy when a sandbox does not start', async () => {
    const { place } = setup({}, false);
    await expect(place('a')).rejects.toMatchObject({ code: 'RUNNER_BUSY' });
  });

  it('has work wait for a place, for so long as its caller does, and only so much of it', async () => {
    const { pool, place } = setup({ max: 1, maxWaiting: 2 });
    const held = await place('a');
    const leaving = new AbortController();
    const [second, third] = [place('b'), place('c', {}, leaving.signal)];
    expect(pool.waiting).toBe(2);
    await expect(place('d')).rejects.toMatchObject({ code: 'RUNNER_BUSY' });
    leaving.abort(new Error('gone'));
    await expect(third).rejects.toThrow('gone');
    held.release();
    (await second).release();
    expect(pool.waiting).toBe(0);
  });

  it('finishes what runs when it closes, refuses what is new or waits, then stops every process', async () => {
    const { pool, made, place } = setup({ spares: 1, max: 2 });
    pool.start();
    const running = await place('a');
    const closed = pool.close(60_000);
    await expect(place('b')).rejects.toMatchObject({ code: 'RUNNER_DRAINING' });
    expect(made[0]?.alive).toBe(true);
    running.release();
    await closed;
    expect(made.every(({ alive }) => !alive)).toBe(true);
  });
});

describe('several processes of a tenant', () => {
  it('are started when the one it has has no time left, up to its cap', async () => {
    const { made, place } = setup();
    const first = await place('a');
    expect((await place('a')).sandbox).toBe(first.sandbox);
    for (const sandbox of made) sandbox.saturated = true;
    const second = await place('a');
    expect(second.sandbox).not.toBe(first.sandbox);
    for (const sandbox of made) sandbox.saturated = true;
    expect((await place('a')).sandbox).toBe(second.sandbox); // which has less to do
    expect(made).toHaveLength(2);
  });

  it('do not come before the first of another tenant, and one makes way for it', async () => {
    const { made, place } = setup({ max: 2 });
    const first = await place('a');
    for (const sandbox of made) sandbox.saturated = true;
    const second = await place('a');
    const others = place('b');
    expect(await settled(others)).toBe(false);
    first.release();
    second.release();
    (await others).release();
    expect(made.map(({ alive }) => alive).filter(Boolean)).toHaveLength(2);
    expect((await place('a')).sandbox).toBe([first, second].find(({ sandbox }) => sandbox.alive)?.sandbox);
  });

  it('end at last when they do not make way', async () => {
    jest.useFakeTimers();
    const { made, place, ends } = setup({ max: 2 });
    await place('a');
    for (const sandbox of made) sandbox.saturated = true;
    await place('a');
    const others = place('b');
    await jest.advanceTimersByTimeAsync(5_000);
    expect((await others).sandbox.alive).toBe(true);
    expect(ends).toEqual(['reclaimed']);
  });

  it('keep calls of a shared instance together', async () => {
    const { made, place } = setup();
    const first = await place('a', { sharedInstance: 'x' });
    for (const sandbox of made) sandbox.saturated = true;
    const second = await place('a');
    expect(second.sandbox).not.toBe(first.sandbox);
    expect((await place('a', { sharedInstance: 'x' })).sandbox).toBe(first.sandbox);
  });

  it('are one for what never gives others a turn, and another for the rest', async () => {
    const { made, place } = setup();
    const alone = { group: ' alone glue', isAside: true, contentHash: 'glue' };
    const first = await place('a', alone);
    const second = await place('a');
    expect(second.sandbox).not.toBe(first.sandbox);
    const more = place('a', { ...alone, group: ' alone more', contentHash: 'more' });
    expect(await settled(more)).toBe(false); // or nothing would be left for the rest
    first.release();
    expect((await more).sandbox).not.toBe(second.sandbox);
    expect(made).toHaveLength(3);
  });
});
