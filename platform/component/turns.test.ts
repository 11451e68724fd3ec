import { setImmediate as tick } from 'node:timers/promises';
import { describe, expect, it } from '@jest/globals';
import { createTurns } from './turns.ts';

describe('turns', () => {
  it('run work side by side, and alone what asks for it', async () => {
    const turns = createTurns();
    let running = 0;
    const seen: Record<string, number> = {};
    const work = (name: string) => async () => {
      running += 1;
      await tick();
      seen[name] = Math.max(seen[name] ?? 0, running);
      await tick();
      running -= 1;
      return name;
    };
    const first = [turns.beside(work('a')), turns.beside(work('b'))];
    await tick();
    const names = await Promise.all([
      ...first,
      turns.alone(work('alone')),
      turns.alone(work('alone too')),
      turns.beside(work('c')),
      turns.beside(work('d')),
    ]);
    expect(names).toEqual(['a', 'b', 'alone', 'alone too', 'c', 'd']);
    expect(seen).toEqual({ a: 2, b: 2, alone: 1, 'alone too': 1, c: 2, d: 2 });
  });

  it('go on after work that failed', async () => {
    const turns = createTurns();
    const failing = () => Promise.reject(new Error('broken'));
    await expect(turns.beside(failing)).rejects.toThrow('broken');
    await expect(turns.alone(failing)).rejects.toThrow('broken');
    expect(await turns.beside(() => Promise.resolve(1))).toBe(1);
  });
});
