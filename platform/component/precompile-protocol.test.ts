import { describe, expect, it } from '@jest/globals';
import { childAnswer } from './precompile-protocol.ts';

describe('what a process says that a component took over', () => {
  const failed = { kind: 'failed', code: 'COMPONENT_INVALID', message: '', details: {}, issues: [] };

  it('is cut before rows and histories keep it', () => {
    const long = 'x'.repeat(100_000);
    const issues = Array.from({ length: 1_000 }, () => ({ path: long, code: long, message: long }));
    const answer = childAnswer.parse({ ...failed, message: long, issues });
    expect(answer).toMatchObject({ message: 'x'.repeat(1024) });
    expect(JSON.stringify(answer).length).toBeLessThan(400_000);
  });

  it('is refused when its details are more than a few', () => {
    const details = { reason: 'x'.repeat(5_000) };
    expect(childAnswer.safeParse({ ...failed, details }).success).toBe(false);
    expect(childAnswer.safeParse({ ...failed, details: { reason: 'x' } }).success).toBe(true);
  });
});
