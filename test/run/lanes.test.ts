import { describe, expect, it } from '@jest/globals';
import { takeBatch, type Pool } from './batches.ts';
import { runLanes, type Work } from './lanes.ts';

describe('lanes', () => {
  it('run as much side by side as there are, and all of it', async () => {
    const left = [1, 2, 3, 4, 5];
    const done: number[] = [];
    let running = 0;
    let most = 0;
    const work =
      (name: number): Work =>
      async () => {
        running += 1;
        most = Math.max(most, running);
        await new Promise((resolve) => setImmediate(resolve));
        running -= 1;
        done.push(name);
      };
    await runLanes(2, () => {
      const name = left.shift();
      return name === undefined ? 'done' : work(name);
    }).finished;
    expect([done.sort(), most]).toEqual([[1, 2, 3, 4, 5], 2]);
  });

  it('wait for what is not there yet, until they are woken', async () => {
    let next: Work | 'wait' | 'done' = 'wait';
    let ran = 0;
    const lanes = runLanes(2, () => {
      const work = next;
      if (typeof work !== 'string') next = 'done';
      return work;
    });
    next = () => {
      ran += 1;
      return Promise.resolve();
    };
    lanes.wake();
    await lanes.finished;
    expect(ran).toBe(1);
  });

  it('fail with the work that could not be done at all', async () => {
    const fails: Work = () => Promise.reject(new Error('no more processes'));
    await expect(runLanes(1, () => fails).finished).rejects.toThrow('no more processes');
  });
});

describe('batches', () => {
  it('are large at first and small at the end, and take every file once', () => {
    const files = Array.from({ length: 30 }, (_none, nth) => `file ${nth}`);
    const pool: Pool = { project: 'unit', files: [...files], needsPrepared: false, most: 4 };
    const batches: string[][] = [];
    while (pool.files.length > 0) batches.push(takeBatch(pool, 2));
    expect(batches.flat()).toEqual(files);
    expect(batches[0]).toHaveLength(4);
    expect(batches.at(-1)).toHaveLength(1);
  });
});
