import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { componentize } from 'componentize-qjs';
import { inspectInChild, precompileComponent } from '../../platform/component/precompile.ts';
import { createEngine } from '../../runner/engine/create-engine.ts';
import type { GuestOutcome, Host, WitValue } from '../../runner/engine/engine.ts';
import { fakeHost } from '../support/fake-host.ts';
import { componentParts } from '../../scripts/componentize.ts';
import { quickJsComponent } from '../support/quickjs-component.ts';

const SOURCE = `
import { logInfo } from 'alga:extension/logging';
import { get } from 'alga:extension/storage';
let calls = 0;
export function handler({ http }) {
  calls += 1;
  if (http.url === '/loop') for (;;) calls += 1;
  if (http.url === '/missing') {
    try { get('a', 'b'); } catch (error) { logInfo(String(error.payload)); }
  }
  return { status: 200 + calls, headers: http.headers, body: http.body };
}
`;
const engine = createEngine();
const contentHash = `sha256:${'0'.repeat(64)}`;

beforeAll(async () => {
  const component = await quickJsComponent(SOURCE);
  const artifact = await precompileComponent(component, { memoryMb: 32, timeoutMs: 60_000 });
  // Its toolchain puts components within the component, which a plan can tell as well.
  expect(artifact).toMatchObject({ plan: { modules: expect.any(Array) } });
  expect(artifact.plan?.notRewindable).toBeUndefined();
  await engine.load({ ...artifact, contentHash });
});

async function run(
  url: string,
  host: Host = fakeHost(),
  timeoutMs = 20_000,
  component = contentHash,
): Promise<GuestOutcome> {
  const request = {
    context: { tenantId: 't', extensionId: 'e' },
    http: { method: 'POST', url, headers: [{ name: 'x-a', value: 'ä' }], body: Buffer.from('body') },
  };
  return engine.execute(component, request, host, { timeoutMs, memoryMb: 32 });
}

describe('a component of QuickJS', () => {
  it('is one that may be published, whatever it imports', async () => {
    const source = 'export function handler() { return { status: 200, headers: [], body: undefined }; }';
    for (const component of [await quickJsComponent(SOURCE), await quickJsComponent(source)]) {
      const { exports } = await inspectInChild(component, { timeoutMs: 60_000 });
      expect(exports).toContain('handler');
    }
  });

  it('answers from fresh state every time, for the same fuel', async () => {
    const outcomes = [await run('/'), await run('/'), await run('/')];
    for (const outcome of outcomes) {
      if (!outcome.ok) throw new Error(outcome.message);
      expect(outcome.response).toMatchObject({ status: 201, headers: [{ name: 'x-a', value: 'ä' }] });
      expect(Buffer.from(outcome.response.body ?? []).toString()).toBe('body');
    }
    expect(new Set(outcomes.map(({ fuel }) => fuel)).size).toBe(1);
  });

  it('gets the error case of an interface, and waits for the host', async () => {
    const logged: WitValue[] = [];
    const host = fakeHost({
      call: async (interfaceName, _functionName, [first]) => {
        if (interfaceName === 'storage') return Promise.resolve({ err: 'missing' });
        logged.push(first);
        return { ok: undefined };
      },
    });
    expect(await run('/missing', host)).toMatchObject({ ok: true });
    expect(logged).toEqual(['missing']);
  });

  it('ends alone at its deadline when it loops', async () => {
    const [loop, other] = await Promise.all([run('/loop', fakeHost(), 500), run('/')]);
    expect(loop).toMatchObject({ ok: false, code: 'GUEST_TIMEOUT' });
    expect(other).toMatchObject({ ok: true });
  });
});

describe('storage-v2 for QuickJS', () => {
  const USES_ALL = `
import { logInfo } from 'alga:extension/logging';
import * as storage from 'alga:extension/storage-v2';
const value = new TextEncoder().encode('v');
const tell = (...said) => logInfo(said.map((one) => typeof one + ' ' + String(one)).join(', '));
export function handler() {
  tell(storage.put('n', { key: 'a', value, revision: 7n, ttlSeconds: 60 }));
  tell(...storage.putMany('n', [{ key: 'a', value, revision: 0n }, { key: 'b', value }]));
  const { revision, expiresAt } = storage.get('n', 'a');
  tell(revision, expiresAt);
  tell(...storage.getMany('n', ['a', 'b']).map((entry) => entry?.revision));
  const page = storage.listEntries('n', 'a', undefined, 1);
  tell(page.entries[0].revision, page.cursor);
  storage.delete('n', 'a', 9n);
  tell(...storage.deleteMany('n', ['a', 'b']));
  tell(storage.increment('n', 'c', -2n, { initial: 40n, ttlSeconds: 60 }), storage.increment('n', 'c', 1n));
  try { storage.increment('n', 'c', 2n ** 60n); } catch (error) { tell(error.name); }
  return { status: 200, headers: [] };
}
`;
  const entry = { key: 'a', value: Buffer.from('v'), revision: 9n, expiresAt: 1_800_000_000_000n };
  const ANSWERS: Record<string, WitValue> = {
    put: 8n,
    'put-many': [1n, 2n],
    get: entry,
    'get-many': [entry, undefined],
    'list-entries': { entries: [entry], cursor: 'a' },
    delete: undefined,
    'delete-many': [true, false],
    increment: 38n,
  };

  it('takes and gives bigints, as with every other engine, and refuses what would be rounded', async () => {
    const component = await quickJsComponent(USES_ALL);
    const own = `sha256:${'3'.repeat(64)}`;
    await engine.load({
      ...(await precompileComponent(component, { memoryMb: 32, timeoutMs: 60_000 })),
      contentHash: own,
    });
    const [logged, asked]: [WitValue[], Record<string, WitValue[]>] = [[], {}];
    const host = fakeHost({
      call: (interfaceName, functionName, args) => {
        if (interfaceName === 'logging') logged.push(args[0]);
        else asked[functionName] ??= [...args];
        return { ok: ANSWERS[functionName] };
      },
    });
    expect(await run('/', host, 20_000, own)).toMatchObject({ ok: true, response: { status: 200 } });
    expect(logged).toEqual([
      'bigint 8',
      'bigint 1, bigint 2',
      'bigint 9, bigint 1800000000000',
      'bigint 9, undefined undefined',
      'bigint 9, string a',
      'boolean true, boolean false',
      'bigint 38, bigint 38',
      'string RangeError',
    ]);
    expect(asked['put']).toMatchObject(['n', { key: 'a', revision: 7n, ttlSeconds: 60 }]);
    expect(asked['put-many']).toMatchObject(['n', [{ revision: 0n }, { revision: undefined }]]);
    expect(asked['delete']).toEqual(['n', 'a', 9n]);
    expect(asked['increment']).toEqual(['n', 'c', -2n, { initial: 40n, ttlSeconds: 60 }]);
  });
});

describe('a component of QuickJS as its toolchain makes it when nothing is said', () => {
  /** With a runtime that imports what asynchronous functions call, though the world has none. */
  async function byDefault(source: string): Promise<Uint8Array> {
    const folder = await mkdtemp(join(tmpdir(), 'qjs-default-'));
    try {
      const { wit } = await componentParts(source, 'quickjs', []);
      const witPath = join(folder, 'world.wit');
      const texts = Object.values(wit).map((text) => text.replace('package alga:extension;', ''));
      await writeFile(witPath, `package alga:extension;\n${texts.join('\n')}`);
      const jsPath = join(folder, 'main.js');
      await writeFile(jsPath, source);
      return (await componentize({ witPath, jsSource: source, jsPath, moduleRoot: folder, world: 'runner' }))
        .component;
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }

  it('is linked by a plan, rewound, and ends alone when it loops', async () => {
    const artifact = await precompileComponent(await byDefault(SOURCE), { memoryMb: 32, timeoutMs: 60_000 });
    expect(artifact.glue).toBeUndefined();
    expect(JSON.stringify(artifact.plan?.steps)).toContain('"task":"context.get"');
    await engine.load({ ...artifact, contentHash: 'default' });
    const call = (url: string, timeoutMs = 20_000): Promise<GuestOutcome> =>
      run(url, fakeHost(), timeoutMs, 'default');
    const outcomes = [await call('/'), await call('/'), await call('/')];
    expect(outcomes.map((outcome) => outcome.ok && outcome.response.status)).toEqual([201, 201, 201]);
    expect(new Set(outcomes.map(({ fuel }) => fuel)).size).toBe(1);
    const [loop, other] = await Promise.all([call('/loop', 500), call('/')]);
    expect(loop).toMatchObject({ ok: false, code: 'GUEST_TIMEOUT' });
    expect(other).toMatchObject({ ok: true });
  });
});
