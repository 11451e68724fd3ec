import type { Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { addresses } from '../../support/dns-server.ts';
import { eventually } from '../../support/eventually.ts';
import { OUTSIDE, startEgressWorld, type EgressWorld, type Outcome } from '../../support/egress-world.ts';

// What one tenant does to those it calls, and to what all share, another one does not feel.

const REQUESTS = 1_000;
let world: EgressWorld;
let ended: AbortController;
let attack: Promise<unknown>;

beforeEach(async () => {
  world = await startEgressWorld();
  ended = new AbortController();
  attack = Promise.resolve();
});
afterEach(async () => {
  ended.abort();
  await attack;
  await world.close();
});

/** So many requests of one tenant at once; answers those that have ended by themselves. */
function storm(url: string): Outcome[] {
  const outcomes: Outcome[] = [];
  const sender = { tenantId: 'attacker', hosts: [new URL(url).host], signal: ended.signal };
  const all = Array.from({ length: REQUESTS }, () =>
    world.send({ url }, sender).then((outcome) => outcomes.push(outcome)),
  );
  attack = Promise.allSettled(all);
  return outcomes;
}

const neighbour = (url = `http://public.test:${world.port}/`) =>
  world.send({ url }, { tenantId: 'neighbour', owner: 'other' });

describe('slow servers of many tenants', () => {
  it('leave places for each that comes later, and give theirs back to whoever has fewest', async () => {
    const held: Socket[] = [];
    const url = await world.raw((socket) => held.push(socket));
    const all = Array.from({ length: 40 }, (_none, n) => {
      const sender = { tenantId: `slow ${n}`, hosts: [new URL(url).host], signal: ended.signal };
      return Array.from({ length: 8 }, () => world.send({ url }, sender));
    });
    attack = Promise.allSettled(all.flat());
    // 64 that all share, and four of each tenant whatever the others do.
    await eventually(() => expect(held).toHaveLength(64 + 40 * 4));
    const neighbours = Array.from({ length: 4 }, () => neighbour());
    expect((await Promise.all(neighbours)).map(({ ok }) => ok?.status)).toEqual([200, 200, 200, 200]);
  });
});

describe('a thousand requests of one tenant', () => {
  it('to a server that never answers take its own places alone, and the rest is refused', async () => {
    const held: Socket[] = [];
    const outcomes = storm(await world.raw((socket) => held.push(socket)));
    await eventually(() => {
      expect(held).toHaveLength(8); // as many as a tenant has at once here, of 64
      expect(outcomes).toHaveLength(REQUESTS - 8 - 16); // twice as many wait
    });
    expect(new Set(outcomes.map(({ refused }) => refused))).toEqual(new Set(['EGRESS_LIMITED']));
    for (let call = 0; call < 20; call += 1) expect((await neighbour()).ok?.status).toBe(200);
    expect(held).toHaveLength(8);
  });

  it('to names that no server knows leave the others their look-ups', async () => {
    world.dns.serve('silent.test', () => 'silence');
    const outcomes = storm(`http://silent.test:${world.port}/`);
    await eventually(() => expect(outcomes.length).toBeGreaterThanOrEqual(REQUESTS - 8 - 16));
    world.dns.serve('fresh.test', addresses('fresh.test', OUTSIDE));
    expect((await neighbour(`http://fresh.test:${world.port}/`)).ok?.status).toBe(200);
    const lookUps = world.dns.asked.filter((line) => line === 'A silent.test').length;
    expect(lookUps).toBeLessThanOrEqual(16 * 2);
  });

  it('to a server that answers without end are cut off, and hold no more than is a tenant’s', async () => {
    const url = await world.raw((socket) => {
      socket.once('data', () => {
        socket.write('HTTP/1.1 200 OK\r\n\r\n');
        const more = (): void => {
          while (!socket.destroyed && socket.write(Buffer.alloc(65_536)));
        };
        socket.on('drain', more);
        more();
      });
    });
    const outcomes = storm(url);
    expect((await neighbour()).ok?.status).toBe(200);
    await eventually(() => expect(outcomes).toHaveLength(REQUESTS));
    const refusals = new Set(outcomes.map(({ refused }) => refused));
    expect([...refusals].sort()).toEqual(['EGRESS_FAILED', 'EGRESS_LIMITED']);
  });

  it('that have ended leave places for the next', async () => {
    const held: Socket[] = [];
    storm(await world.raw((socket) => held.push(socket)));
    await eventually(() => expect(held).toHaveLength(8));
    ended.abort();
    await attack;
    ended = new AbortController();
    expect(
      (await world.send({ url: `http://public.test:${world.port}/` }, { tenantId: 'attacker' })).ok?.status,
    ).toBe(200);
  });
});
