import { describe, expect, it } from '@jest/globals';
import { whileAway } from './while-away.ts';

const times = { everyMs: 1, withinMs: 200 };
const away = new Error('connection refused');
const isAway = (cause: unknown): boolean => cause === away;

describe('what needs a process that may be starting again', () => {
  it('is done once that is back', async () => {
    let asked = 0;
    const work = (): Promise<string> => ((asked += 1) < 5 ? Promise.reject(away) : Promise.resolve('done'));
    expect(await whileAway(work, isAway, times)).toBe('done');
    expect(asked).toBe(5);
  });

  it('fails at once when the other side says no', async () => {
    let asked = 0;
    const refused = new Error('no such table');
    const work = (): Promise<never> => {
      asked += 1;
      return Promise.reject(refused);
    };
    await expect(whileAway(work, isAway, times)).rejects.toBe(refused);
    expect(asked).toBe(1);
  });

  it('fails with what it met when that stays away', async () => {
    await expect(whileAway(() => Promise.reject(away), isAway, times)).rejects.toBe(away);
  });
});
