import { createHash } from 'node:crypto';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { precompileComponent } from '../../platform/component/precompile.ts';
import { createEngine } from '../../runner/engine/create-engine.ts';
import type {
  EngineArtifact,
  ExecutionLimits,
  GuestOutcome,
  GuestRequest,
  Host,
} from '../../runner/engine/engine.ts';
import { fakeHost } from '../support/fake-host.ts';
import { BUILD_WITHIN_MS, precompiledGuest, TOOLCHAINS, type Toolchain } from '../support/guests.ts';
import { quickJsComponent } from '../support/quickjs-component.ts';

const QUICKJS = `
import { logInfo } from 'alga:extension/logging';
import { get } from 'alga:extension/storage';
let calls = 0;
const kept = [];
const bytes = (text) => Uint8Array.from(text, (character) => character.charCodeAt(0));
const routes = {
  '/loop': () => { for (;;) calls += 1; },
  '/throw': () => { throw new Error('thrown on purpose'); },
  '/chatty': () => { for (let line = 0; line < 10000; line += 1) logInfo('x'.repeat(1000)); },
  '/storage': () => {
    try { return { value: get('any', 'any') }; } catch (error) { return { error: error.payload }; }
  },
  '/keep': () => { kept.push(new Uint8Array(1024 * 1024).fill(1)); return { kept: kept.length }; },
  '/state': () => ({ calls: (calls += 1) }),
};
export function handler({ http }) {
  return { status: 200, headers: [], body: bytes(JSON.stringify(routes[http.url]())) };
}
`;

const LIMITS: ExecutionLimits = { timeoutMs: 30_000, memoryMb: 128 };
const MIB = 1024 * 1024;

const engine = createEngine();
const artifacts = {} as Record<Toolchain, EngineArtifact>;

beforeAll(async () => {
  const component = await quickJsComponent(QUICKJS);
  const contentHash = `sha256:${createHash('sha256').update(component).digest('hex')}`;
  artifacts.QuickJS = {
    contentHash,
    ...(await precompileComponent(component, { memoryMb: 128, timeoutMs: 60_000 })),
  };
  for (const name of TOOLCHAINS) {
    if (name !== 'QuickJS') artifacts[name] = await precompiledGuest('hostile', name, { memoryMb: 128 });
    await engine.load(artifacts[name]);
  }
}, BUILD_WITHIN_MS);

const quiet = (): Host => fakeHost({ call: () => ({ ok: undefined }) });

interface Options {
  limits?: Partial<ExecutionLimits>;
  host?: Host;
  contentHash?: string;
}

function answerOf(outcome: GuestOutcome): Record<string, unknown> {
  if (!outcome.ok) throw new Error(`${outcome.code}: ${outcome.message}`);
  return JSON.parse(Buffer.from(outcome.response.body ?? []).toString()) as Record<string, unknown>;
}

function guestOf(name: Toolchain) {
  async function call(
    url: string,
    sharedInstance?: string,
    { limits, host = quiet(), contentHash = artifacts[name].contentHash }: Options = {},
  ): Promise<GuestOutcome> {
    const request: GuestRequest = {
      context: { tenantId: 't', extensionId: 'e' },
      http: { method: 'GET', url, headers: [] },
    };
    return engine.execute(
      contentHash,
      request,
      host,
      { ...LIMITS, ...limits },
      sharedInstance && `${name} ${sharedInstance}`,
    );
  }

  /** Which call it was of those that its instance served. */
  const count = async (sharedInstance?: string, options: Options = {}): Promise<unknown> =>
    answerOf(await call('/state', sharedInstance, options))['calls'];

  return { call, count };
}

describe.each(TOOLCHAINS)('a shared instance of %s', (name) => {
  const { call, count } = guestOf(name);

  it('keeps what calls of its name left, and no other call finds it', async () => {
    for (const expected of [1, 2, 3]) {
      expect(await count('own')).toBe(expected);
      expect(await count()).toBe(1);
      expect(await count(`other ${expected}`)).toBe(1);
    }
  });

  it('is of one component, whatever it is called', async () => {
    const twin = { ...artifacts[name], contentHash: `sha256:${name.padEnd(64, '0')}` };
    await engine.load(twin);
    expect([await count('twin'), await count('twin')]).toEqual([1, 2]);
    expect(await count('twin', { contentHash: twin.contentHash })).toBe(1);
  });

  it.each<[string, string, Partial<ExecutionLimits>]>([
    ['threw', '/throw', {}],
    ['used up its fuel', '/loop', { fuel: 5_000_000 }],
    ['computed until its deadline', '/loop', { timeoutMs: 300 }],
  ])('begins anew after a call that %s', async (what, url, limits) => {
    expect([await count(what), await count(what)]).toEqual([1, 2]);
    expect(await call(url, what, { limits })).toMatchObject({ ok: false });
    expect([await count(what), await count(what)]).toEqual([1, 2]);
  });

  it('begins anew after a call that waits for the host, which answers too late', async () => {
    const answer = Promise.withResolvers<{ ok: undefined }>();
    let asked = 0;
    const host = fakeHost({
      call: () => {
        asked += 1;
        return answer.promise;
      },
    });
    expect([await count('late'), await count('late')]).toEqual([1, 2]);
    const late = await call('/chatty', 'late', { limits: { timeoutMs: 3_000 }, host });
    expect(late).toMatchObject({ ok: false, code: 'GUEST_TIMEOUT' });
    answer.resolve({ ok: undefined });
    expect([await count('late'), await count('late'), asked]).toEqual([1, 2, 1]);
  });

  it('serves one call at a time: a second one finds fresh state', async () => {
    expect(await Promise.all([count('both'), count('both')])).toEqual([1, 1]);
    expect(await count('both')).toBe(2);
  });

  it('begins anew after a thousand calls', async () => {
    const counted = [];
    for (let round = 0; round < 1_001; round += 1) counted.push(await count('busy'));
    expect(counted.slice(-3)).toEqual([999, 1_000, 1]);
  });

  it('begins anew when it has grown too far, so that no call of a leaking guest is refused memory', async () => {
    const kept: number[] = [];
    for (let round = 0; round < 100; round += 1)
      kept.push(Number(answerOf(await call('/keep', 'growing'))['kept']));
    const most = Math.max(...kept);
    expect(most).toBeGreaterThan(25);
    expect(most).toBeLessThanOrEqual(33);
    expect(kept[most]).toBe(1);
  });

  it('gives every call the whole of its fuel', async () => {
    const { fuel } = await call('/state', 'metered');
    for (const expected of [2, 3, 4, 5, 6, 7, 8, 9]) {
      const outcome = await call('/state', 'metered', { limits: { fuel: fuel * 2 } });
      expect(answerOf(outcome)['calls']).toBe(expected);
    }
  });

  it('counts what earlier calls left as memory of each call', async () => {
    const before = await call('/state', 'holding');
    const holding = await call('/keep', 'holding');
    expect(holding.memoryBytes).toBeGreaterThan(before.memoryBytes);
    expect((await call('/state', 'holding')).memoryBytes).toBe(holding.memoryBytes);
    const full = await call('/keep', 'holding', { limits: { memoryMb: holding.memoryBytes / MIB } });
    expect(full).toMatchObject({ ok: false, code: 'GUEST_OUT_OF_MEMORY' });
  });

  it('asks the host of the call that it serves', async () => {
    const asked: string[] = [];
    for (const user of ['Ada', 'Bob', 'Cem']) {
      const host = fakeHost({
        call: (interfaceName) => {
          asked.push(`${user}: ${interfaceName}`);
          return { err: 'denied' };
        },
      });
      expect(answerOf(await call('/storage', 'asking', { host }))).toEqual({ error: 'denied' });
    }
    expect(asked).toEqual(['Ada: storage', 'Bob: storage', 'Cem: storage']);
    expect(await count('asking')).toBe(1);
  });
});

describe('a shared instance that holds resources of the host', () => {
  const { call, count } = guestOf('StarlingMonkey');

  it('stays when these are standard streams, which write for the call that it serves', async () => {
    for (const expected of [1, 2, 3]) {
      let said = '';
      const output = (_stream: string, bytes: Uint8Array): void =>
        void (said += Buffer.from(bytes).toString());
      const host = fakeHost({ output });
      expect(answerOf(await call('/print', 'printing', { host }))).toEqual({ calls: expected });
      expect(said).toBe(`call ${expected}\n`);
    }
  });

  it('begins anew when one is left that waits for a time', async () => {
    expect(await count('waiting')).toBe(1);
    expect(answerOf(await call('/timer-left', 'waiting'))).toEqual({ calls: 2 });
    expect(await count('waiting')).toBe(1);
  });
});
