import { describe, expect, it } from '@jest/globals';
import { createStoreHealth } from './store-health.ts';

function setup() {
  let time = 0;
  let probes = 0;
  let answer = (): Promise<unknown> => Promise.resolve();
  const { isAway } = createStoreHealth({
    probe: () => {
      probes += 1;
      return answer();
    },
    now: () => time,
  });
  const ask = async (): Promise<boolean> => {
    const away = isAway();
    await new Promise(setImmediate); // the probe has ended
    return away;
  };
  const pass = async (ms: number): Promise<boolean> => {
    time += ms;
    return ask();
  };
  return { ask, pass, answerWith: (next: () => Promise<unknown>) => (answer = next), probes: () => probes };
}

const away = () => Promise.reject(new Error('away'));

describe('the health of the object store', () => {
  it('is bad once it has not answered for half a minute, and good as soon as it answers', async () => {
    const { ask, pass, answerWith } = setup();
    await ask();
    answerWith(away);
    expect([await pass(5_000), await pass(29_999), await pass(1)]).toEqual([false, false, true]);
    answerWith(() => Promise.resolve());
    await pass(5_000);
    expect(await ask()).toBe(false);
  });

  it('begins anew when the store came back in between', async () => {
    const { ask, pass, answerWith } = setup();
    answerWith(away);
    await ask();
    answerWith(() => Promise.resolve());
    await pass(20_000);
    answerWith(away);
    await pass(5_000);
    expect(await pass(10_000)).toBe(false);
    expect(await pass(20_000)).toBe(true);
  });

  it('is not judged by what was found long ago', async () => {
    const { ask, pass, answerWith } = setup();
    answerWith(away);
    await ask();
    answerWith(() => Promise.resolve());
    expect(await pass(600_000)).toBe(false);
  });

  it('is asked once at a time and every five seconds, however often somebody wants to know', async () => {
    const { ask, pass, answerWith, probes } = setup();
    for (let n = 0; n < 100; n += 1) await ask();
    expect(probes()).toBe(1);
    const stuck = Promise.withResolvers<undefined>();
    answerWith(() => stuck.promise);
    for (let n = 0; n < 10; n += 1) await pass(5_000);
    expect(probes()).toBe(2);
    stuck.resolve(undefined);
  });
});
