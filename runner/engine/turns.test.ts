import { describe, expect, it } from '@jest/globals';
import { createTurns } from './turns.ts';

describe('turns of guests', () => {
  it('go round the components, however many guests one has', async () => {
    const turns = createTurns();
    const order: string[] = [];
    const compute = async (component: object, name: string, slices: number): Promise<void> => {
      for (let slice = 0; slice < slices; slice += 1) {
        await turns.next(component);
        order.push(name);
      }
    };
    const [loops, other] = [{}, {}];
    const many = Array.from({ length: 20 }, () => compute(loops, 'loop', 5));
    await compute(other, 'other', 3);
    expect(order.filter((name) => name === 'loop').length).toBeLessThanOrEqual(4);
    await Promise.all(many);
    expect(order).toHaveLength(103);
  });

  it('are one for each turn of the event loop', async () => {
    const turns = createTurns();
    const component = {};
    let taken = 0;
    const guests = Array.from({ length: 10 }, () => turns.next(component).then(() => (taken += 1)));
    await new Promise(setImmediate);
    expect(taken).toBeLessThanOrEqual(1);
    await Promise.all(guests);
    expect(taken).toBe(10);
  });
});
