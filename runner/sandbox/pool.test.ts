import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { createLogger } from '../../platform/logger.ts';
import { createSandboxPool, type SandboxPoolOptions } from './pool.ts';
import type { Sandbox } from './sandbox.ts';

const logger = createLogger({ level: 'silent', process: 'runner' });

/** A sandbox without a process. */
class FakeSandbox implements Sandbox {
  static count = 0;
  readonly pid = ++FakeSandbox.count;
  readonly ready: Promise<boolean>;
  readonly #exited = Promise.withResolvers<undefined>();
  readonly exited = this.#exited.promise;
  alive = true;
  busy = 0;

  constructor(starts = true) {
    this.ready = Promise.resolve(starts);
  }
  load = () => Promise.resolve();
  run = () => Promise.reject(new Error('not in these tests'));
  kill(): void {
    this.alive = false;
    this.#exited.resolve(undefined);
  }
}

const pools: { close(graceMs: number): Promise<void> }[] = [];
afterEach(async () => {
  await Promise.all(pools.splice(0).map((pool) => pool.close(0)));
  jest.useRealTimers();
});

function setup(options: Partial<SandboxPoolOptions> = {}, starts = true) {
  const made: FakeSandbox[] = [];
  const createSandbox = () => {
    const sandbox = new FakeSandbox(starts);
    made.push(sandbox);
    return sandbox;
  };
  const pool = createSandboxPool(
    { spares: 0, max: 4, tenantConcurrency: 2, ...options },
    { createSandbox, logger },
  );
  pools.push(pool);
  return { pool, made };
}

describe('the sandbox pool', () => {
  it('gives a tenant the same sandbox every time, and never one of another tenant', async () => {
    const { pool, made } = setup();
    const a = await pool.acquire('a');
    const b = await pool.acquire('b');
    expect(await pool.acquire('a')).toBe(a);
    expect(b).not.toBe(a);
    expect(made).toHaveLength(2);
  });

  it('binds a spare that was started ahead, and starts another', async () => {
    const { pool, made } = setup({ spares: 1 });
    pool.start();
    expect(made).toHaveLength(1);
    expect(await pool.acquire('a')).toBe(made[0]);
    await new Promise(setImmediate);
    expect(made).toHaveLength(2);
  });

  it('never gives a sandbox that was bound to anyone else, even when its tenant is gone', async () => {
    const { pool } = setup({ max: 1 });
    const a = await pool.acquire('a');
    const b = await pool.acquire('b');
    expect(b).not.toBe(a);
    expect(a.alive).toBe(false);
  });

  it('replaces a dead sandbox', async () => {
    const { pool } = setup();
    const first = await pool.acquire('a');
    first.kill('stopped');
    const second = await pool.acquire('a');
    expect(second).not.toBe(first);
    expect(second.alive).toBe(true);
  });

  it('replaces a spare that died waiting, after a pause', async () => {
    jest.useFakeTimers();
    const { pool, made } = setup({ spares: 1 });
    pool.start();
    made[0]?.kill();
    await jest.advanceTimersByTimeAsync(500);
    expect(made).toHaveLength(1);
    await jest.advanceTimersByTimeAsync(1_000);
    expect(made).toHaveLength(2);
  });

  it('reclaims the sandbox that was idle longest when it is full', async () => {
    const { pool } = setup({ max: 2 });
    const a = await pool.acquire('a');
    const b = await pool.acquire('b');
    await pool.acquire('a');
    await pool.acquire('c');
    expect([a.alive, b.alive]).toEqual([true, false]);
    expect(pool.size).toBe(2);
  });

  it('is busy when every sandbox is at work for others', async () => {
    const { pool, made } = setup({ max: 2 });
    await pool.acquire('a');
    await pool.acquire('b');
    for (const sandbox of made) sandbox.busy = 1;
    await expect(pool.acquire('c')).rejects.toMatchObject({ code: 'RUNNER_BUSY' });
  });

  it('is busy when a sandbox does not start', async () => {
    const { pool } = setup({}, false);
    await expect(pool.acquire('a')).rejects.toMatchObject({ code: 'RUNNER_BUSY' });
  });

  it('limits what one tenant runs at once, and nobody else', async () => {
    const { pool } = setup({ tenantConcurrency: 1 });
    const gate = Promise.withResolvers<string>();
    const first = pool.admit('a', () => gate.promise);
    await expect(pool.admit('a', () => Promise.resolve(''))).rejects.toMatchObject({
      code: 'CONCURRENCY_LIMITED',
    });
    expect(await pool.admit('b', () => Promise.resolve('b'))).toBe('b');
    gate.resolve('first');
    expect(await first).toBe('first');
    expect(await pool.admit('a', () => Promise.resolve('again'))).toBe('again');
  });

  it('gives the place back when the work fails', async () => {
    const { pool } = setup({ tenantConcurrency: 1 });
    await expect(pool.admit('a', () => Promise.reject(new Error('no')))).rejects.toThrow('no');
    expect(await pool.admit('a', () => Promise.resolve('yes'))).toBe('yes');
  });

  it('finishes what runs when it closes, refuses what is new, then stops every process', async () => {
    const { pool, made } = setup({ spares: 1 });
    pool.start();
    await pool.acquire('a');
    const gate = Promise.withResolvers<string>();
    const running = pool.admit('a', () => gate.promise);
    const closed = pool.close(60_000);
    await expect(pool.admit('b', () => Promise.resolve(''))).rejects.toMatchObject({ code: 'RUNNER_BUSY' });
    expect(made[0]?.alive).toBe(true);
    gate.resolve('done');
    expect(await running).toBe('done');
    await closed;
    expect(made.every(({ alive }) => !alive)).toBe(true);
  });
});
