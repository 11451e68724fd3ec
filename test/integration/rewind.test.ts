import { beforeAll, describe, expect, it, jest } from '@jest/globals';
import { EXPORT } from '../../core/wasm/reserved.ts';
import type { PrecompiledArtifact } from '../../platform/component/artifact.ts';
import { CoreInstances } from '../../runner/engine/core-instances.ts';
import { createEngine } from '../../runner/engine/create-engine.ts';
import type { ExecutionLimits, GuestOutcome, GuestRequest, Host } from '../../runner/engine/engine.ts';
import { compileLinked } from '../../runner/engine/linked-component.ts';
import { fakeHost } from '../support/fake-host.ts';
import { BUILD_WITHIN_MS, precompiledGuest, TOOLCHAINS } from '../support/guests.ts';
import { recording, replaying } from '../support/recorded-host.ts';

const LIMITS: ExecutionLimits = { timeoutMs: 30_000, memoryMb: 64 };
const engine = createEngine();
const quiet = (): Host => fakeHost({ call: () => ({ ok: undefined }) });

function textOf(outcome: GuestOutcome): string {
  if (!outcome.ok) throw new Error(`${outcome.code}: ${outcome.message}`);
  return Buffer.from(outcome.response.body ?? []).toString();
}

describe.each(TOOLCHAINS)('a guest of %s:', (toolchain) => {
  let contentHash = '';
  let hostile: PrecompiledArtifact;

  beforeAll(async () => {
    hostile = await precompiledGuest('hostile', toolchain);
    expect(hostile.plan).toBeDefined();
    expect(hostile.plan?.notRewindable).toBeUndefined();
    await engine.load(hostile);
    contentHash = hostile.contentHash;
  }, BUILD_WITHIN_MS);

  async function run(
    url: string,
    limits: Partial<ExecutionLimits> = {},
    host = quiet(),
    within = engine,
  ): Promise<GuestOutcome> {
    const request: GuestRequest = {
      context: { tenantId: 't', extensionId: 'e' },
      http: { method: 'GET', url, headers: [] },
    };
    return within.execute(contentHash, request, host, { ...LIMITS, ...limits });
  }

  describe('fuel', () => {
    it('is the same for the same call, whatever came before it', async () => {
      const { fuel } = await run('/ok');
      expect(fuel).toBeGreaterThan(100);
      await run('/state');
      await run('/throw');
      await run(`/ok?${'long'.repeat(50_000)}`);
      expect((await run('/ok')).fuel).toBe(fuel);
      expect((await run('/state')).fuel).not.toBe(fuel);
    });

    it('ends a guest that has used up its own', async () => {
      expect(await run('/loop', { fuel: 5_000_000 })).toMatchObject({ ok: false, code: 'GUEST_OUT_OF_FUEL' });
      const { fuel } = await run('/ok');
      expect(await run('/ok', { fuel })).toMatchObject({ ok: true });
      expect(await run('/ok', { fuel: fuel - 1 })).toMatchObject({ ok: false, code: 'GUEST_OUT_OF_FUEL' });
    });
  });

  describe('a guest that computes without end', () => {
    it('ends at its deadline, and others run in the same thread meanwhile', async () => {
      let ended = false;
      const loop = run('/loop', { timeoutMs: 3_000 }).finally(() => {
        ended = true;
      });
      const others = await Promise.all(['/ok', '/state', '/ok'].map((url) => run(url)));
      expect(others.every(({ ok }) => ok)).toBe(true);
      expect(ended).toBe(false);
      expect(await loop).toMatchObject({ ok: false, code: 'GUEST_TIMEOUT' });
      expect(await run('/ok')).toMatchObject({ ok: true });
    });

    it('ends at its deadline when it waits for the host, and does not go on when the host answers after all', async () => {
      const answer = Promise.withResolvers<{ ok: undefined }>();
      let calls = 0;
      const host = fakeHost({
        call: () => {
          calls += 1;
          return answer.promise;
        },
      });
      expect(await run('/chatty', { timeoutMs: 2_000 }, host)).toMatchObject({
        ok: false,
        code: 'GUEST_TIMEOUT',
      });
      answer.resolve({ ok: undefined });
      expect(await run('/ok')).toMatchObject({ ok: true });
      expect(calls).toBe(1);
    });
  });

  describe('memory', () => {
    it('is limited for each call beneath what the component may have', async () => {
      const capped = await run('/memory', { memoryMb: 24 });
      expect(capped).toMatchObject({ ok: false });
      expect(capped.memoryBytes).toBeLessThanOrEqual(24 * 1024 * 1024);
      const { memoryBytes } = await run('/memory');
      expect(memoryBytes).toBeGreaterThan(32 * 1024 * 1024);
    });

    it('that a guest grew is gone for the next', async () => {
      const { memoryBytes } = await run('/ok');
      await run('/big');
      expect((await run('/ok')).memoryBytes).toBe(memoryBytes);
    });
  });

  describe('an instance', () => {
    it('holds after every call, byte for byte, what a new one holds', async () => {
      const memories: WebAssembly.Memory[] = [];
      const instantiate: CoreInstances['instantiate'] = Reflect.get(CoreInstances.prototype, 'instantiate');
      const watched = jest.spyOn(CoreInstances.prototype, 'instantiate').mockImplementation(function (
        this: CoreInstances,
        ...given
      ) {
        const made = instantiate.apply(this, given);
        const memory = made.exports[EXPORT.memory];
        if (memory instanceof WebAssembly.Memory) memories.push(memory);
        return made;
      });
      if (!hostile.plan) throw new Error('the component was not linked by a plan');
      const component = await compileLinked(hostile, hostile.plan);
      const instance = component.instantiate();
      watched.mockRestore();
      const beginnings = memories.map(({ buffer }) => Buffer.from(buffer.slice(0)));
      expect(beginnings.some(({ length }) => length > 1024 * 1024)).toBe(true);

      const paths = ['/ok', '/state', '/random', '/storage', '/no-such', `/ok?${'long'.repeat(50_000)}`];
      for (const url of [...paths, ...paths.toReversed()]) {
        const deadline = performance.now() + 30_000;
        const body = Buffer.alloc(url === '/state' ? 3_000_000 : 10, url);
        const request = {
          context: { tenantId: 't', extensionId: 'e' },
          http: { method: 'POST', url, headers: [], body },
        };
        const host = fakeHost({ call: () => ({ err: 'denied' }) });
        const call = { host, deadline, wroteToStderr: false };
        await instance.run(request, call, { fuel: 1e12, deadline, memoryBytes: 64 * 1024 * 1024 });
        const changed = memories.some(({ buffer }, at) => !beginnings[at]?.equals(Buffer.from(buffer)));
        expect([url.slice(0, 10), changed]).toEqual([url.slice(0, 10), true]);
        expect(instance.rewind()).toBe(true);
        for (const [at, { buffer }] of memories.entries())
          expect(beginnings[at]?.equals(Buffer.from(buffer))).toBe(true);
      }
    });
  });

  describe('calls that come together', () => {
    it('take one instance after the other, since to make one takes longer than a call', async () => {
      await run('/ok');
      const instantiate = jest.spyOn(CoreInstances.prototype, 'instantiate');
      const outcomes = await Promise.all(Array.from({ length: 32 }, () => run('/ok')));
      const made = instantiate.mock.calls.length;
      instantiate.mockRestore();
      expect([outcomes.every(({ ok }) => ok), made]).toEqual([true, 0]);
    });
  });

  describe('an execution', () => {
    it('replayed with what its host said gives the same answer for the same fuel', async () => {
      const { host, recording: kept } = recording(quiet());
      const first = await run('/random', {}, host);
      const again = await run('/random', {}, replaying(kept));
      expect(textOf(again)).toBe(textOf(first));
      expect(again.fuel).toBe(first.fuel);
      expect(textOf(await run('/random'))).not.toBe(textOf(first));
    });

    it('shares no number with another, here or in another sandbox', async () => {
      const other = createEngine();
      await other.load(hostile);
      const drawn: string[] = [];
      for (let round = 0; round < 100; round += 1) {
        for (const outcome of [await run('/random'), await run('/random', {}, quiet(), other)]) {
          const { numbers, uuid } = JSON.parse(textOf(outcome)) as {
            numbers: (number | string)[];
            uuid: string;
          };
          drawn.push(...numbers.map(String), uuid);
        }
      }
      expect(drawn).toHaveLength(600);
      expect(new Set(drawn).size).toBe(drawn.length);
    });

    it('finds nothing of a thousand others', async () => {
      for (let round = 0; round < 1_000; round += 1) expect(textOf(await run('/state'))).toBe('{"calls":1}');
    });
  });
});
