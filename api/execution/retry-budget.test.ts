import { expect, it } from '@jest/globals';
import { createRetryBudget } from './retry-budget.ts';

it('a budget of retries runs out, and calls fill it by a fifth of one each, up to what it was', () => {
  const budget = createRetryBudget();
  const spendAll = (): number => {
    let spent = 0;
    while (budget.spend()) spent += 1;
    return spent;
  };
  const first = spendAll();
  expect(first).toBeGreaterThan(256); // what one runner may have of a gateway
  for (let calls = 0; calls < 1_000; calls += 1) budget.earn();
  expect(Math.abs(spendAll() - 200)).toBeLessThan(2);
  for (let calls = 0; calls < 100_000; calls += 1) budget.earn();
  expect(spendAll()).toBe(first);
});
