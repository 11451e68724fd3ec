import { describe, expect, it } from '@jest/globals';
import { SUSPENDING_IMPORTS } from '../../core/world.ts';
import { fakeHost } from '../../test/support/fake-host.ts';
import { hostImports, type Call } from './host-imports.ts';

type Functions = Record<string, (...args: unknown[]) => unknown>;

describe('random bytes', () => {
  const imports = (drawn: number[] = []): Functions => {
    const host = fakeHost({
      fillRandom: (bytes) => {
        drawn.push(bytes.length);
        bytes.fill(7);
      },
    });
    const name = 'alga:extension/random@1.0.0';
    return hostImports([name], () => ({ host, deadline: 0, wroteToStderr: false }))[name] as Functions;
  };

  it('come at once from the host of the call, which a recording can say again', () => {
    const drawn: number[] = [];
    const { getRandomBytes, getRandomU64 } = imports(drawn);
    expect(getRandomBytes?.(3)).toEqual(Uint8Array.of(7, 7, 7));
    expect(getRandomU64?.()).toBe(0x0707070707070707n);
    expect(drawn).toEqual([3, 8]);
    expect(SUSPENDING_IMPORTS.filter((suspends) => suspends.includes('random'))).toEqual([]);
  });

  it('are as many as the guest may have at once, or it traps', () => {
    const drawn: number[] = [];
    const { getRandomBytes } = imports(drawn);
    expect(() => getRandomBytes?.(2 ** 20 + 1)).toThrow(WebAssembly.RuntimeError);
    expect(drawn).toEqual([]);
    expect(getRandomBytes?.(2 ** 20)).toHaveLength(2 ** 20);
  });
});

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
