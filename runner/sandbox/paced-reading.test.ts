import { PassThrough } from 'node:stream';
import { describe, expect, it } from '@jest/globals';
import { readPaced } from './paced-reading.ts';

/** How often the stream rests while chunks come that take so long, with as long a pause after each. */
async function rests(chunks: number, { takes, pause }: { takes: number; pause: number }): Promise<number> {
  const stream = new PassThrough();
  let clock = 1_000;
  let paused = 0;
  stream.on('pause', () => (paused += 1));
  const done = Promise.withResolvers<undefined>();
  let taken = 0;
  const take = (): void => {
    clock += takes;
    taken += 1;
    if (taken === chunks) done.resolve(undefined);
  };
  readPaced(stream, take, () => clock);
  for (let chunk = 0; chunk < chunks; chunk += 1) {
    stream.write('chunk');
    await new Promise(setImmediate);
    clock += pause;
  }
  await done.promise;
  return paused;
}

describe('reading at a pace', () => {
  it('lets a stream rest that takes all of our time, and hands over the rest of it later', async () => {
    expect(await rests(12, { takes: 2, pause: 0 })).toBeGreaterThan(0);
  });

  it('never holds up a stream that takes less than its share, however long it goes on', async () => {
    expect(await rests(40, { takes: 0.2, pause: 1 })).toBe(0);
  });
});
