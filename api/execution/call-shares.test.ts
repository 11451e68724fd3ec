import { EventEmitter } from 'node:events';
import { describe, expect, it } from '@jest/globals';
import type { Response } from 'express';
import { createCallShare, createCallShares } from './call-shares.ts';

const settled = () => new Promise(setImmediate);

describe('the share of a tenant', () => {
  function setup() {
    const load = { at: 0, used: 0 };
    const share = createCallShare(32, { now: () => load.at, used: () => load.used });
    const after = (milliseconds: number, tenantId: string): number => {
      load.at += milliseconds;
      share.note(tenantId);
      return share.size;
    };
    return { load, after };
  }

  it('has no bound while one tenant is alone, however busy the process is', () => {
    const { load, after } = setup();
    load.used = 1;
    expect([after(0, 'a'), after(100, 'a'), after(5_000, 'a')]).toEqual([Infinity, Infinity, Infinity]);
  });

  it('is halved while the process is busy, down to one, and grows again when it is not', () => {
    const { load, after } = setup();
    after(0, 'a');
    expect(after(0, 'b')).toBe(32);
    load.used = 0.9;
    expect([1, 2, 3, 4, 5, 6].map(() => after(100, 'a'))).toEqual([16, 8, 4, 2, 1, 1]);
    expect(after(50, 'a')).toBe(1); // no look in between
    load.used = 0.5;
    expect([after(50, 'a'), after(100, 'a'), after(1_000, 'a'), after(9_000, 'b')]).toEqual([2, 3, 13, 32]);
  });

  it('is small at once for one who was alone when another tenant calls', () => {
    const { load, after } = setup();
    load.used = 1;
    for (let look = 0; look < 6; look += 1) after(100, 'a');
    expect(after(0, 'b')).toBe(1);
    expect(after(9_900, 'a')).toBe(1);
    expect(after(9_999, 'a')).toBe(1); // the last change was to this one
    expect(after(1, 'a')).toBe(Infinity);
  });
});

describe('shares of calls', () => {
  function setup({ size = 2, max = 2, ofExtension = 0 } = {}) {
    const limits = { tenant: max, install: ofExtension || max };
    const shares = createCallShares(limits, { note: () => undefined, size });
    const begun: string[] = [];
    const call = (tenantId: string, name: string, credential = tenantId, extension = 'x') => {
      const req = { headers: { authorization: `Bearer ${credential}` } };
      const res = new EventEmitter() as unknown as Response;
      const turn = shares.turn({ tenantId, extension }, req, res).then(() => void begun.push(name));
      const refused = turn.catch((err: unknown) => err);
      return { turn, refused, end: () => res.emit('close') };
    };
    const refuse = (credential: string, extension = 'x'): Promise<void> =>
      shares.refuseOverfull(extension, { headers: { authorization: `Bearer ${credential}` } });
    return { shares, begun, call, refuse };
  }

  it('let a call go at once whose tenant has its share left, past all that wait of another', async () => {
    const { shares, begun, call } = setup();
    const flood = ['a1', 'a2', 'a3', 'a4'].map((name) => call('a', name));
    const other = call('b', 'b1');
    await settled();
    expect(begun).toEqual(['a1', 'a2', 'b1']);
    flood[1]?.end();
    await settled();
    expect(begun).toEqual(['a1', 'a2', 'b1', 'a3']);
    for (const one of [...flood, other]) {
      one.end();
      await settled();
    }
    await flood[3]?.refused;
    expect(shares.size).toEqual({ tenants: 0, credentials: 0, extensions: 0 });
  });

  it('hold a tenant of which calls wait to its share, which may be one', async () => {
    const { begun, call } = setup({ size: 1, max: 4 });
    const [first, second] = ['1', '2', '3', '4'].map((name) => call('a', name));
    await settled();
    expect(begun).toEqual(['1', '2']); // two at once never wait
    first?.end();
    await settled();
    expect(begun).toEqual(['1', '2']);
    second?.end();
    await settled();
    expect(begun).toEqual(['1', '2', '3']);
  });

  it('count no call for long that waits for something else', async () => {
    const { begun, call } = setup({ size: 1 });
    const [, , third] = ['slow', 'slow too', 'third'].map((name) => call('a', name));
    await third?.turn; // the others never end
    expect(begun).toEqual(['slow', 'slow too', 'third']);
  });

  it('refuse what is over, without asking who it is if calls with the same credential wait', async () => {
    const { begun, call, refuse } = setup({ max: 1 });
    const flood = ['1', '2', '3'].map((name) => call('a', name, 'key'));
    const beside = call('b', 'b', 'other key');
    const fourth = call('a', '4', 'key');
    const known = [refuse('key'), refuse('another key'), refuse('other key')];
    const outcomes = (await Promise.allSettled(known)).map(({ status }) => status);
    expect(outcomes).toEqual(['rejected', 'fulfilled', 'fulfilled']);
    expect(await fourth.refused).toMatchObject({ code: 'CONCURRENCY_LIMITED' });
    await flood[2]?.turn;
    expect(begun).toEqual(['1', '2', 'b', '3']);
    await refuse('key'); // of which none waits any more
    for (const one of [...flood, beside]) one.end();
  });

  it('leave room to wait for calls of another extension of the tenant', async () => {
    const { shares, begun, call, refuse } = setup({ max: 3, ofExtension: 2 });
    const flood = ['1', '2', '3', '4', '5'].map((name) => call('a', name));
    const early = refuse('a');
    const other = refuse('a', 'y');
    const beside = call('a', 'beside', 'a', 'y');
    await other;
    await expect(early).rejects.toMatchObject({ code: 'CONCURRENCY_LIMITED' });
    expect(await flood[4]?.refused).toMatchObject({ code: 'CONCURRENCY_LIMITED' });
    await beside.turn;
    expect(begun).toEqual(['1', '2', '3', '4', 'beside']);
    for (const one of [...flood, beside]) one.end();
    await settled();
    expect(shares.size).toEqual({ tenants: 0, credentials: 0, extensions: 0 });
  });

  it('count calls of an extension together, by its id and by its name', async () => {
    const { shares, call, refuse } = setup({ max: 4, ofExtension: 2 });
    const id = '0000000a-0000-4000-8000-00000000000a';
    shares.found('alga.x', id);
    const flood = ['alga.x', 'alga.x', id, id.toUpperCase()].map((name) => call('a', name, 'a', name));
    const outcomes = await Promise.allSettled(
      ['alga.x', id, id.toUpperCase(), 'alga.y'].map((name) => refuse('a', name)),
    );
    expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected', 'fulfilled']);
    for (const one of flood) one.end();
    await settled();
    expect(shares.size).toEqual({ tenants: 0, credentials: 0, extensions: 0 });
  });

  it('forget the call of a client that left', async () => {
    const { shares, begun, call } = setup({ max: 1 });
    const [first, second, third] = ['1', '2', '3'].map((name) => call('a', name));
    third?.end();
    expect(await third?.refused).toMatchObject({ message: 'the client left before the turn of its call' });
    expect(shares.size.credentials).toBe(0);
    const fourth = call('a', '4');
    first?.end();
    await fourth.turn;
    for (const one of [second, fourth]) one?.end();
    await settled();
    expect(begun).toEqual(['1', '2', '4']);
    expect(shares.size).toEqual({ tenants: 0, credentials: 0, extensions: 0 });
  });
});
