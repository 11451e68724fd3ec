import { randomUUID } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import type { UiInstall } from '../../core/api/internal.ts';
import { PlatformError } from '../../core/errors.ts';
import { networkOf } from './allowance.ts';
import { createServedUis, type Refusal } from './served-uis.ts';

const UI: UiInstall = { entry: 'index.html', csp: {} };
const HASH = `sha256:${'a'.repeat(64)}`;
const HOME = '192.0.2.1';
const STRANGER = '198.51.100.1';
const OF_ONE = 20;
const OF_ALL = 60;

const nothing = (): boolean => false;

function setup({ served = nothing }: { served?: (extensionId: string) => boolean } = {}) {
  const asked: string[] = [];
  let time = 0;
  let isAway = false;
  let gate: Promise<unknown> = Promise.resolve();
  const find = createServedUis({
    gateway: {
      async uiInstall(extensionId) {
        asked.push(extensionId);
        await gate;
        if (isAway) throw new PlatformError('GATEWAY_UNAVAILABLE', 'away');
        return served(extensionId) ? UI : undefined;
      },
    },
    now: () => time,
  });
  return {
    asked,
    find: (extensionId: string, network: string) => find(extensionId, HASH, network),
    pass: (ms: number) => (time += ms),
    setAway: (away: boolean) => (isAway = away),
    hold: () => {
      const { promise, resolve } = Promise.withResolvers<undefined>();
      gate = promise;
      return () => resolve(undefined);
    },
  };
}

type Answer = UiInstall | Refusal;

/** As many questions about what nobody published, one after the other; how often each answer was given. */
async function flood(
  find: (extensionId: string, network: string) => Promise<Answer>,
  count: number,
  networkAt: (index: number) => string = () => STRANGER,
): Promise<Record<string, number>> {
  const answers: Record<string, number> = {};
  for (let index = 0; index < count; index += 1) {
    const found = await find(randomUUID(), networkAt(index));
    const answer = typeof found === 'number' ? found : 'found';
    answers[answer] = (answers[answer] ?? 0) + 1;
  }
  return answers;
}
const crowd = (index: number): string => `203.0.113.${index % 250}`;

describe('a stranger who asks for UIs that are not there', () => {
  it('reaches the gateway some times a second, and is refused at once beyond that', async () => {
    const { find, asked, pass } = setup();
    expect(await flood(find, 1000)).toEqual({ 404: OF_ONE, 429: 1000 - OF_ONE });
    expect(asked).toHaveLength(OF_ONE);
    pass(1_000);
    expect(await flood(find, 1000)).toEqual({ 404: OF_ONE, 429: 1000 - OF_ONE });
  });

  it('takes nothing from others, until all together ask for too much', async () => {
    const { find, asked } = setup({ served: (id) => id === 'new' });
    await flood(find, 1000);
    expect(await find('new', HOME)).toBe(UI);
    expect(await flood(find, 1000, crowd)).toEqual({ 404: OF_ALL - OF_ONE, 503: 1000 - OF_ALL + OF_ONE });
    expect(asked).toHaveLength(OF_ALL + 1);
  });

  it('is held to as many questions under way when the gateway is slow', async () => {
    const { find, asked, hold, pass } = setup();
    const release = hold();
    const waiting = Array.from({ length: OF_ONE }, () => find(randomUUID(), STRANGER));
    pass(1_000);
    expect(await find(randomUUID(), STRANGER)).toBe(429);
    waiting.push(...Array.from({ length: OF_ALL - OF_ONE }, (_, index) => find(randomUUID(), crowd(index))));
    pass(1_000);
    expect(await find(randomUUID(), HOME)).toBe(503);
    expect(asked).toHaveLength(OF_ALL);
    release();
    expect(await Promise.all(waiting)).toEqual(Array(OF_ALL).fill(404));
    pass(1_000);
    expect(await find(randomUUID(), HOME)).toBe(404);
  });

  it('makes nothing forgotten that is there, and does not stand before it when it is asked about again', async () => {
    const { find, asked, pass } = setup({ served: (id) => id === 'known' });
    expect(await find('known', HOME)).toBe(UI);
    for (let second = 0; second < 9; second += 1) {
      pass(1_000);
      await flood(find, 2_000, crowd);
    }
    const before = asked.length;
    expect(await find('known', HOME)).toBe(UI);
    expect(asked).toHaveLength(before);
    pass(1_000);
    expect(await flood(find, 1000, crowd)).toMatchObject({ 404: OF_ALL });
    expect(await find('known', HOME)).toBe(UI);
    expect(asked.slice(before)).toEqual([...Array<unknown>(OF_ALL).fill(expect.any(String)), 'known']);
  });

  it('reaches a gateway that is away no more often', async () => {
    const { find, asked, setAway } = setup();
    setAway(true);
    for (let index = 0; index < OF_ONE; index += 1) {
      await expect(find(randomUUID(), STRANGER)).rejects.toMatchObject({ code: 'GATEWAY_UNAVAILABLE' });
    }
    expect(await find(randomUUID(), STRANGER)).toBe(429);
    expect(asked).toHaveLength(OF_ONE);
  });
});

describe('UIs that are there', () => {
  it('are found however many a network asks for', async () => {
    const { find } = setup({ served: () => true });
    expect(await flood(find, 1000)).toEqual({ found: 1000 });
  });

  it('are asked about once a second while the gateway is away, and found as soon as it is back, whoever asks for what', async () => {
    const { find, asked, pass, setAway } = setup({ served: (id) => id === 'known' });
    await find('known', HOME);
    pass(10_000);
    setAway(true);
    await expect(find('known', HOME)).rejects.toMatchObject({ code: 'GATEWAY_UNAVAILABLE' });
    for (let index = 0; index < 1000; index += 1) expect(await find('known', STRANGER)).toBe(503);
    expect(asked).toEqual(['known', 'known']);
    setAway(false);
    pass(1_000);
    await flood(find, 1000, crowd);
    expect(await find('known', HOME)).toBe(UI);
  });

  it('cost one question when many ask at once', async () => {
    const { find, asked } = setup({ served: () => true });
    await Promise.all(Array.from({ length: 100 }, () => find('known', HOME)));
    expect(asked).toEqual(['known']);
  });
});

describe('the network of an address', () => {
  it.each([
    ['192.0.2.1', '192.0.2.1'],
    ['::ffff:192.0.2.1', '::ffff:192.0.2.1'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2'],
    ['2001:db8:1:2::6', '2001:db8:1:2'],
    ['2001:db8::6', '2001:db8:0:0'],
    ['::1', '0:0:0:0'],
    ['', ''],
  ])('of %s is %s', (address, network) => {
    expect(networkOf(address)).toBe(network);
  });
});
