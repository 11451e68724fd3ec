import { describe, expect, it } from '@jest/globals';
import { fakeHost } from '../../test/support/fake-host.ts';
import type { EngineArtifact, GuestRequest, Host, HostReply } from './engine.ts';
import { createEngine } from './create-engine.ts';

// Real components run in test/integration/engine.test.ts; here glue is written by hand to show what the engine does around it.

const EMPTY_MODULE = Uint8Array.from([0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00]);
/** One memory of a page, at most two, exported as "m". */
const ONE_PAGE = Uint8Array.from([...EMPTY_MODULE, 5, 4, 1, 1, 1, 2, 7, 5, 1, 1, 0x6d, 2, 0]);

const LIMITS = { timeoutMs: 60_000, memoryMb: 64 };

const request: GuestRequest = {
  context: { tenantId: 't', extensionId: 'e' },
  http: { method: 'GET', url: '/', headers: [] },
};

function artifact(body: string, more: Partial<EngineArtifact> = {}): EngineArtifact {
  const glue = `export function instantiate(getCoreModule, imports, instantiateCore) { ${body} }`;
  return {
    contentHash: 'sha256:x',
    glue: Buffer.from(glue),
    coreModules: { 'm.wasm': ONE_PAGE },
    imports: [],
    ...more,
  };
}

function hostThat(reply: HostReply): Host {
  return fakeHost({ call: () => Promise.resolve(reply) });
}

async function run(loaded: EngineArtifact, host = hostThat({ ok: undefined })) {
  const engine = createEngine();
  await engine.load(loaded);
  return engine.execute(loaded.contentHash, request, host, LIMITS);
}

/** Glue whose handler answers with what an expression gives, as text. */
const answering = (expression: string): string =>
  `return { handler: async () => ({ status: 200, headers: [], body: new TextEncoder().encode(String(${expression})) }) };`;

async function answerOf(expression: string, imports: string[], host?: Host): Promise<string> {
  const outcome = await run(artifact(answering(expression), { imports }), host);
  if (!outcome.ok) throw new Error(outcome.message);
  return Buffer.from(outcome.response.body ?? []).toString();
}

describe('the engine with glue of jco', () => {
  it('gives a guest the imports it names and nothing else', async () => {
    const names = ['alga:extension/storage', 'wasi:random/random', 'wasi:keyvalue/store'];
    expect(await answerOf('Object.keys(imports)', names)).toBe('alga:extension/storage,wasi:random/random');
    const functions = "Object.keys(imports['alga:extension/storage'])";
    expect(await answerOf(functions, names)).toBe('get,put,delete,listEntries');
  });

  it('serves interfaces under the version that the glue asks for', async () => {
    const names = ['alga:extension/user-v2@1.0.0', 'wasi:io/poll@0.2.3'];
    expect(await answerOf('Object.keys(imports)', names)).toBe(names.join());
  });

  it('throws the error case of a result in the shape of the glue', async () => {
    const read = "await imports['alga:extension/storage'].get('a', 'b').catch((error) => error.payload)";
    expect(await answerOf(read, ['alga:extension/storage'], hostThat({ err: 'missing' }))).toBe('missing');
  });

  it('is rejected when the host answers a function without error case with one', async () => {
    const glue = artifact(answering("await imports['alga:extension/logging'].logInfo('x')"), {
      imports: ['alga:extension/logging'],
    });
    await expect(run(glue, hostThat({ err: 'denied' }))).rejects.toThrow('no error case');
  });

  it('refuses a core module that is instantiated twice, which would double its memory', async () => {
    const twice = "instantiateCore(getCoreModule('m.wasm'));".repeat(2);
    await expect(run(artifact(twice))).rejects.toMatchObject({ code: 'GUEST_TRAPPED' });
  });

  it('refuses to load a component that cannot be instantiated', async () => {
    const engine = createEngine();
    const broken = artifact("throw new WebAssembly.RuntimeError('unreachable');");
    await expect(engine.load(broken)).rejects.toMatchObject({ code: 'GUEST_TRAPPED' });
    expect(engine.isLoaded(broken.contentHash)).toBe(false);
  });

  it('forgets what it unloads, and loads it again', async () => {
    const engine = createEngine();
    const component = artifact(answering('1'));
    await engine.load(component);
    engine.unload(component.contentHash);
    expect(engine.isLoaded(component.contentHash)).toBe(false);
    const call = () => engine.execute(component.contentHash, request, hostThat({ ok: undefined }), LIMITS);
    await expect(call()).rejects.toThrow('is not loaded');
    await engine.load(component);
    expect(await call()).toMatchObject({ ok: true });
  });

  it('refuses a component that calls the host while it is instantiated, when there is no call yet', async () => {
    const eager = artifact(
      "imports['alga:extension/logging'].logInfo('early').catch(() => {}); throw new Error('x');",
      {
        imports: ['alga:extension/logging'],
      },
    );
    await expect(run(eager)).rejects.toMatchObject({ code: 'GUEST_TRAPPED' });
  });

  it('makes the next instance after a call, and never gives one to two calls', async () => {
    const counting =
      'let served = 0; return { handler: async () => { served += 1; return { status: served, headers: [] }; } };';
    const engine = createEngine();
    const component = artifact(counting);
    await engine.load(component);
    const call = () => engine.execute(component.contentHash, request, hostThat({ ok: undefined }), LIMITS);
    const outcomes = [await call(), ...(await Promise.all([call(), call(), call()]))];
    expect(outcomes.map((outcome) => outcome.ok && outcome.response.status)).toEqual([1, 1, 1, 1]);
  });

  it('makes the next instance after the turn in which an answer leaves', async () => {
    const made = globalThis as { instancesMade?: number };
    const engine = createEngine();
    const component = artifact(
      `globalThis.instancesMade = (globalThis.instancesMade ?? 0) + 1; ${answering('1')}`,
    );
    await engine.load(component);
    await engine.execute(component.contentHash, request, hostThat({ ok: undefined }), LIMITS);
    // As the sandbox does, which writes what it has to say at the end of a turn.
    const before = await new Promise((resolve) => setImmediate(() => resolve(made.instancesMade)));
    await new Promise(setImmediate);
    await new Promise(setImmediate);
    expect([before, made.instancesMade]).toEqual([1, 2]);
    delete made.instancesMade;
  });

  it('gives glue an instance for each call, also where calls share one: what the glue holds cannot be taken from it', async () => {
    const counting =
      'let served = 0; return { handler: async () => { served += 1; return { status: served, headers: [] }; } };';
    const engine = createEngine();
    const component = artifact(counting);
    await engine.load(component);
    const call = () =>
      engine.execute(component.contentHash, request, hostThat({ ok: undefined }), LIMITS, 'shared');
    const outcomes = [await call(), await call()];
    expect(outcomes.map((outcome) => outcome.ok && outcome.response.status)).toEqual([1, 1]);
  });

  it.each([
    ['a trap with half of the memory in use', 'RuntimeError', true, 'GUEST_OUT_OF_MEMORY'],
    ['a trap with little memory in use', 'RuntimeError', false, 'GUEST_TRAPPED'],
  ])('takes %s as such', async (_what, error, withMemory, code) => {
    const instantiate = withMemory ? "instantiateCore(getCoreModule('m.wasm'));" : '';
    const fail = `return { handler: async () => { throw new WebAssembly.${error}('x'); } };`;
    expect(await run(artifact(instantiate + fail))).toMatchObject({ ok: false, code });
  });

  it('takes an error of the glue as an answer that is none', async () => {
    const fail = "return { handler: async () => { throw new TypeError('not a u16'); } };";
    expect(await run(artifact(fail))).toMatchObject({ ok: false, code: 'GUEST_ERROR' });
  });

  it('compiles a component once, and again after a load that failed', async () => {
    const engine = createEngine();
    const broken = artifact(answering('1'), { coreModules: { 'm.wasm': Uint8Array.of(1) } });
    await expect(engine.load(broken)).rejects.toThrow();
    expect(engine.isLoaded(broken.contentHash)).toBe(false);
    const whole = artifact(answering('1'));
    await Promise.all([engine.load(whole), engine.load(whole)]);
    expect(engine.isLoaded(whole.contentHash)).toBe(true);
    await engine.load(broken);
    expect(
      await engine.execute(whole.contentHash, request, hostThat({ ok: undefined }), LIMITS),
    ).toMatchObject({
      ok: true,
    });
  });
});
