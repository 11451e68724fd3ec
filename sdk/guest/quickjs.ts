import { getRandomBytes } from 'alga:extension/random';
import { createRandomness } from './random.ts';
import { TextDecoder, TextEncoder } from './text-encoding.ts';

// What QuickJS lacks beyond ECMAScript, and what of it would be the same in every execution since it begins while the component is built.

const { random, crypto } = createRandomness(getRandomBytes);
Math.random = random;

const clock = globalThis.performance;
let begun: { now: number; timeOrigin: number } | undefined;
/** Its time begins when an execution first asks. */
const performance = {
  now(): number {
    const now = clock.now();
    begun ??= { now, timeOrigin: Date.now() };
    return now - begun.now;
  },
  get timeOrigin(): number {
    performance.now();
    return begun?.timeOrigin ?? 0;
  },
};

Object.assign(globalThis, { crypto, performance, TextDecoder, TextEncoder });
