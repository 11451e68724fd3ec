import { describe, expect, it } from '@jest/globals';
import { createHeldBytes } from './held-bytes.ts';

const tooMuch = expect.objectContaining({ code: 'EGRESS_LIMITED' }) as unknown as Error;

describe('bytes of answers under way', () => {
  it('are bounded for each tenant', () => {
    const held = createHeldBytes({ ofTenant: 10, own: 2, shared: 100 });
    held.take('a', 10);
    expect(() => held.take('a', 1)).toThrow(tooMuch);
    held.release('a', 4);
    held.take('a', 4);
  });

  it('leave room for who comes later, and its own for everybody', () => {
    const held = createHeldBytes({ ofTenant: 10, own: 2, shared: 12 });
    held.take('a', 8);
    expect(() => held.take('b', 6)).toThrow(tooMuch); // 4 of what is shared, of which 6 are left
    held.take('b', 5);
    for (let tenant = 0; tenant < 20; tenant += 1) held.take(`tenant ${tenant}`, 2);
    held.release('a', 8);
    for (let tenant = 0; tenant < 20; tenant += 1) held.release(`tenant ${tenant}`, 2);
    held.release('b', 5);
    held.take('c', 8);
  });
});
