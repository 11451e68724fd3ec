import { describe, expect, it } from '@jest/globals';
import { createSeenTokens } from './seen-tokens.ts';

describe('seen tokens', () => {
  it('are refused the second time, for as long as they would be valid', () => {
    let seconds = 0;
    const check = createSeenTokens(() => seconds * 1000);
    check({ jti: 'a', exp: 100 });
    seconds = 99;
    expect(() => check({ jti: 'a', exp: 100 })).toThrow(expect.objectContaining({ code: 'TOKEN_INVALID' }));
  });

  it('are bounded, and make room when they have expired', () => {
    let seconds = 0;
    const check = createSeenTokens(() => seconds * 1000, 2);
    check({ jti: 'a', exp: 10 });
    check({ jti: 'b', exp: 10 });
    expect(() => check({ jti: 'c', exp: 10 })).toThrow(expect.objectContaining({ code: 'RUNNER_BUSY' }));
    seconds = 11;
    expect(() => check({ jti: 'c', exp: 20 })).not.toThrow();
  });
});
