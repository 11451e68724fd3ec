import { describe, expect, it } from '@jest/globals';
import { fakeHost } from '../../test/support/fake-host.ts';
import { hostImports, type Call } from './host-imports.ts';

type Functions = Record<string, (...args: unknown[]) => unknown>;

describe('what a guest waits with', () => {
  it('is woken at the deadline of its call at the latest, so that no timer outlives it', async () => {
    const asked: number[] = [];
    const call: Call = {
      host: fakeHost({
        sleep: (milliseconds) => {
          asked.push(milliseconds);
          return Promise.reject(new Error('woken'));
        },
      }),
      deadline: performance.now() + 1_000,
      wroteToStderr: false,
    };
    const imports = hostImports(['wasi:clocks/monotonic-clock', 'wasi:io/poll'], () => call);
    const clock = imports['wasi:clocks/monotonic-clock'] as Functions;
    const poll = imports['wasi:io/poll'] as Functions;
    const hour = clock['subscribeDuration']?.(3_600_000_000_000n);
    await expect(poll['poll']?.([hour])).rejects.toThrow('woken');
    expect(asked).toHaveLength(1);
    expect(asked[0]).toBeLessThanOrEqual(1_000);
  });
});
