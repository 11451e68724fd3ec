import { beforeAll, describe, expect, it } from '@jest/globals';
import type { GuestOutcome, GuestRequest, Host, HostReply, WitValue } from '../../runner/engine/engine.ts';
import { createEngine } from '../../runner/engine/create-engine.ts';
import { precompiledComponent } from '../support/components.ts';
import { fakeHost } from '../support/fake-host.ts';
import { BUILD_WITHIN_MS, precompiledGuest, TOOLCHAINS } from '../support/guests.ts';

const MB = 1024 * 1024;
const LIMITS = { timeoutMs: 60_000, memoryMb: 64 };
const engine = createEngine();
const hashes = { StarlingMonkey: '', QuickJS: '', Rust: '', hostile: '', everything: '' };

beforeAll(async () => {
  for (const toolchain of TOOLCHAINS) {
    const hello = await precompiledGuest('hello', toolchain);
    await engine.load(hello);
    hashes[toolchain] = hello.contentHash;
  }
  const hostile = await precompiledComponent('hostile');
  // componentize-js with all its features, as an author has it who knows no options.
  const everything = await precompiledComponent('hostile', { disableFeatures: [], memoryMb: 128 });
  await Promise.all([hostile, everything].map((artifact) => engine.load(artifact)));
  Object.assign(hashes, { hostile: hostile.contentHash, everything: everything.contentHash });
}, BUILD_WITHIN_MS);

type Calls = Record<string, (...args: WitValue[]) => HostReply | Promise<HostReply>>;

/** A host with counters; `calls` states what differs. */
function createHost(calls: Calls = {}) {
  const logged: string[] = [];
  const output: string[] = [];
  const counters = new Map<string, bigint>();
  const working: Calls = {
    'context.get-context': () => ({ ok: { tenantId: 'tenant-1', extensionId: 'extension-1' } }),
    'context-v2.get-config': () => ({ ok: '{"greeting":"Good day"}' }),
    'logging.log-info': (message) => {
      logged.push(message as string);
      return { ok: undefined };
    },
    'storage-v2.increment': (namespace, key, delta) => {
      const counter = `${namespace as string}/${key as string}`;
      const sum = (counters.get(counter) ?? 0n) + (delta as bigint);
      counters.set(counter, sum);
      return { ok: sum };
    },
  };
  const host = fakeHost({
    call: async (interfaceName, functionName, args) => {
      const act = { ...working, ...calls }[`${interfaceName}.${functionName}`];
      if (!act) throw new Error(`nobody expected ${interfaceName}.${functionName}`);
      return act(...args);
    },
    output: (stream, bytes) => void output.push(`${stream}: ${Buffer.from(bytes).toString()}`),
  });
  return { host, logged, output };
}

function request(method: string, url: string, body?: Uint8Array): GuestRequest {
  const headers = body ? [{ name: 'Content-Type', value: 'text/plain' }] : [];
  const context = { tenantId: 'tenant-1', extensionId: 'extension-1' };
  return { context, http: { method, url, headers, ...(body && { body }) } };
}

async function call(
  name: keyof typeof hashes,
  url: string,
  host: Host = createHost().host,
): Promise<GuestOutcome> {
  return engine.execute(hashes[name], request('GET', url), host, LIMITS);
}

function bodyOf(outcome: GuestOutcome): unknown {
  if (!outcome.ok) throw new Error(`${outcome.code}: ${outcome.message}`);
  return JSON.parse(Buffer.from(outcome.response.body ?? []).toString());
}

describe.each(TOOLCHAINS)('the example extension hello of %s', (hello) => {
  it('greets with the setting, the tenant and a count that it keeps', async () => {
    const { host, logged } = createHost();
    const first = await call(hello, '/hello/Ada%20L?x=1', host);
    expect(bodyOf(first)).toEqual({ greeting: 'Good day, Ada L!', tenant: 'tenant-1', count: 1 });
    expect(bodyOf(await call(hello, '/hello/Ada%20L', host))).toMatchObject({ count: 2 });
    expect(logged).toEqual(['GET /hello/Ada%20L?x=1 -> 200', 'GET /hello/Ada%20L -> 200']);
  });

  it('loses no count among executions that interleave', async () => {
    const { host } = createHost();
    const outcomes = await Promise.all(Array.from({ length: 8 }, () => call(hello, '/hello/Ada', host)));
    const counts = outcomes.map((outcome) => (bodyOf(outcome) as { count: number }).count);
    expect(counts.sort()).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  });

  it('echoes a body byte for byte', async () => {
    const body = Uint8Array.from({ length: 256 * 1024 }, (_zero, index) => index);
    const outcome = await engine.execute(
      hashes[hello],
      request('POST', '/echo', body),
      createHost().host,
      LIMITS,
    );
    if (!outcome.ok) throw new Error(outcome.message);
    expect(outcome.response.headers).toEqual([{ name: 'content-type', value: 'text/plain' }]);
    expect(Buffer.compare(Buffer.from(outcome.response.body ?? []), body)).toBe(0);
  });

  it('has a 404 of its own', async () => {
    expect(await call(hello, '/nothing')).toMatchObject({ ok: true, response: { status: 404 } });
  });
});

describe('an execution', () => {
  it('starts from fresh state', async () => {
    expect(bodyOf(await call('hostile', '/state'))).toEqual({ calls: 1 });
    expect(bodyOf(await call('hostile', '/state'))).toEqual({ calls: 1 });
  });

  it('shares no random number with another', async () => {
    const drawn = await Promise.all(
      Array.from({ length: 4 }, async () => {
        const { numbers, uuid } = bodyOf(await call('hostile', '/random')) as {
          numbers: number[];
          uuid: string;
        };
        return [...numbers, uuid];
      }),
    );
    expect(new Set(drawn.flat()).size).toBe(12);
  });

  it('reports how much memory the guest took', async () => {
    const { memoryBytes } = await call('hostile', '/ok');
    expect(memoryBytes).toBeGreaterThan(4 * MB);
    expect(memoryBytes).toBeLessThan(64 * MB);
  });

  it('gets the error case of an interface as the host answers it', async () => {
    const { host } = createHost({ 'storage.put': () => ({ err: 'denied' }) });
    expect(bodyOf(await call('hostile', '/storage', host))).toEqual({ error: 'denied' });
  });

  it('is rejected with the cause when the host fails, which is no fault of the guest', async () => {
    const cause = new Error('the gateway is away');
    const { host } = createHost({ 'storage.put': () => Promise.reject(cause) });
    await expect(call('hostile', '/storage', host)).rejects.toBe(cause);
  });

  it('is rejected for a component that was not loaded', async () => {
    await expect(
      engine.execute('sha256:none', request('GET', '/'), createHost().host, LIMITS),
    ).rejects.toThrow('not loaded');
  });
});

describe('a guest that misbehaves', () => {
  it('ends in GUEST_ERROR when it throws, with its error on standard error', async () => {
    const { host, output } = createHost();
    expect(await call('hostile', '/throw', host)).toMatchObject({ ok: false, code: 'GUEST_ERROR' });
    expect(output.join('')).toContain('thrown on purpose');
  });

  it('ends in GUEST_ERROR when its answer is no response', async () => {
    expect(await call('hostile', '/no-response')).toMatchObject({ ok: false, code: 'GUEST_ERROR' });
  });

  it('ends when it recurses without end', async () => {
    expect(await call('hostile', '/recurse')).toMatchObject({ ok: false, code: 'GUEST_ERROR' });
  });

  it.each(['/memory', '/memory-objects'])('ends in GUEST_OUT_OF_MEMORY within its cap on %s', async (url) => {
    const outcome = await call('hostile', url);
    expect(outcome).toMatchObject({ ok: false, code: 'GUEST_OUT_OF_MEMORY' });
    expect(outcome.memoryBytes).toBeLessThanOrEqual(64 * MB);
  });

  it('leaves the next execution unharmed', async () => {
    await Promise.all(['/throw', '/recurse', '/memory'].map((url) => call('hostile', url)));
    expect(bodyOf(await call('hostile', '/ok'))).toEqual({ ok: true });
  });
});

describe('a component built with every feature of componentize-js', () => {
  it('runs', async () => {
    expect(bodyOf(await call('everything', '/ok'))).toEqual({ ok: true });
  });

  it('cannot fetch', async () => {
    expect(bodyOf(await call('everything', '/fetch'))).toEqual({ refused: true });
  });

  it('waits with its timers', async () => {
    const { waitedMs } = bodyOf(await call('everything', '/timer')) as { waitedMs: number };
    expect(waitedMs).toBeGreaterThanOrEqual(20);
  });
});
