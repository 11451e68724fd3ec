import { buffer } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ARTIFACT_TARGET } from '../../core/artifact-target.ts';
import type { ExecuteRequest } from '../../core/execute.ts';
import type { PrecompiledArtifact } from '../../platform/component/artifact.ts';
import { createObjectKeys } from '../../platform/objects/keys.ts';
import { precompiledComponent } from '../support/components.ts';
import { startRunner, type TestRunner } from '../support/start-runner.ts';

const A = '00000000-0000-4000-8000-00000000000a';
const B = '00000000-0000-4000-8000-00000000000b';

let runner: TestRunner;
let hello: PrecompiledArtifact;
let helloOfQuickJs: PrecompiledArtifact;
let hostile: PrecompiledArtifact;

beforeAll(async () => {
  hello = await precompiledComponent('hello');
  helloOfQuickJs = await precompiledComponent('hello', { engine: 'quickjs' });
  hostile = await precompiledComponent('hostile');
  runner = await startRunner();
  await runner.publish(hello);
  await runner.publish(helloOfQuickJs);
  await runner.publish(hostile);
}, 180_000);

afterAll(async () => {
  await runner.close();
});

const misbehave = (url: string, options: { tenantId?: string; limits?: { timeout_ms: number } } = {}) =>
  runner.execute({ contentHash: hostile.contentHash, url, ...options });

describe('the runner', () => {
  it('warms an artifact and runs it with what was granted', async () => {
    expect(await runner.warm(A, hello.contentHash)).toMatchObject({ status: 200, body: { loaded: true } });
    const grants = { 'storage.kv': {}, 'config.read': {} };
    const call = () => runner.execute({ contentHash: hello.contentHash, url: '/hello/Ada', grants });
    const first = await call();
    expect(first.head).toMatchObject({ status: 200, headers: { 'content-type': 'application/json' } });
    expect(JSON.parse(first.body)).toEqual({ greeting: 'Hello, Ada!', tenant: A, count: 1 });
    expect(JSON.parse((await call()).body)).toMatchObject({ count: 2 });
  });

  it('runs the same extension built with QuickJS, beside it and with the same records', async () => {
    const { contentHash } = helloOfQuickJs;
    const grants = { 'storage.kv': {}, 'config.read': {} };
    const count = async (hash: string): Promise<unknown> =>
      JSON.parse((await runner.execute({ contentHash: hash, url: '/hello/Gr%C3%A4fin', grants })).body);
    const greeting = 'Hello, Gräfin!';
    expect(await count(contentHash)).toEqual({ greeting, tenant: A, count: 1 });
    expect(await count(hello.contentHash)).toEqual({ greeting, tenant: A, count: 2 });
    expect(await count(contentHash)).toEqual({ greeting, tenant: A, count: 3 });
    const body = Uint8Array.from({ length: 300_000 }, (_, at) => at % 128);
    const echo = await runner.execute({ contentHash, url: '/echo', method: 'POST', body });
    expect(echo.body).toBe(Buffer.from(body).toString());
  });

  it('runs what older callers send: config in the context, capabilities by name, limits that it does not count', async () => {
    const { head, body } = await runner.execute({
      contentHash: hello.contentHash,
      tenantId: B,
      url: '/hello/Ada',
      form: ({ context, http, limits }) => ({
        context: { ...context, config: { greeting: 'Good day' } },
        http,
        limits: { ...limits, fuel: 1_000_000_000, egress_bytes: 0 },
        providers: ['cap:storage.kv', 'cap:config.read'],
      }),
    });
    expect(head.status).toBe(200);
    expect(JSON.parse(body)).toMatchObject({ greeting: 'Good day, Ada!', tenant: B });
  });

  it('announces the limits that it enforces and the capabilities that it serves, and refuses others', async () => {
    expect(await runner.announcement()).toEqual({
      seal_epoch: expect.stringMatching(/^[\w-]{22}$/),
      limits: ['timeout_ms', 'memory_mb', 'response_bytes', 'fuel', 'egress_bytes'],
      capabilities: [
        'context.read',
        'config.read',
        'log.emit',
        'metrics.emit',
        'user.read',
        'secrets.get',
        'instance.shared',
        'headers.read',
        'storage.kv',
        'http.fetch',
        'ui.proxy',
        'scheduler.manage',
        'client.read',
        'service.read',
        'invoice.manual.create',
      ],
    });
    const form = (request: ExecuteRequest) => ({ ...request, providers: ['cap:events.emit'] });
    const { httpStatus, head } = await runner.execute({ contentHash: hello.contentHash, form });
    expect([httpStatus, head.code]).toEqual([400, 'INPUT_INVALID']);
  });

  it('hands bodies on as they are, and logs what the guest says apart from its own lines', async () => {
    const body = Uint8Array.from({ length: 256 }, (_, at) => at % 128);
    const echo = { contentHash: hello.contentHash, url: '/echo', method: 'POST', body };
    expect((await runner.execute(echo)).body).toBe(Buffer.from(body).toString());
    const line = runner.log.findLast((entry) => entry['stream'] === 'guest');
    expect(line).toMatchObject({ msg: 'POST /echo -> 200', from: 'log', tenantId: A });
    expect(Object.keys(line ?? {})).toEqual(
      expect.arrayContaining(['extensionId', 'installId', 'executionId', 'requestId']),
    );
  });

  it('denies storage that was not granted', async () => {
    expect(JSON.parse((await misbehave('/storage')).body)).toEqual({ error: 'denied' });
  });

  it('gives every execution fresh state and fresh randomness', async () => {
    const bodies = [await misbehave('/state'), await misbehave('/state')].map(({ body }) => body);
    expect(bodies).toEqual(['{"calls":1}', '{"calls":1}']);
    const [first, second] = [await misbehave('/random'), await misbehave('/random')];
    expect(first.head.status).toBe(200);
    expect(first.body).not.toBe(second.body);
  });

  it('stops an endless loop at its deadline while a neighbour is served', async () => {
    await runner.warm(A, hostile.contentHash);
    await runner.warm(B, hostile.contentHash);
    const loop = misbehave('/loop', { limits: { timeout_ms: 1_500 } });
    const state = { looping: true };
    const stopped = loop.finally(() => (state.looping = false));
    let served = 0;
    do {
      const neighbour = await misbehave('/ok', { tenantId: B });
      expect(neighbour.head.status).toBe(200);
      if (state.looping) served += 1;
    } while (state.looping);
    expect(served).toBeGreaterThan(0);
    const { httpStatus, head } = await stopped;
    expect([httpStatus, head.error?.code]).toEqual([200, 'GUEST_TIMEOUT']);
    expect((await misbehave('/ok')).head.status).toBe(200);
  });

  it('runs an execution again that was in the way of one that had to be killed', async () => {
    await runner.warm(A, hostile.contentHash);
    const loop = misbehave('/loop', { limits: { timeout_ms: 1_000 } });
    const innocent = misbehave('/ok');
    expect((await loop).head.error?.code).toBe('GUEST_TIMEOUT');
    expect((await innocent).head.status).toBe(200);
  });

  it.each([
    ['/recurse', ['GUEST_ERROR', 'GUEST_TRAPPED', 'GUEST_TIMEOUT']],
    ['/memory', ['GUEST_OUT_OF_MEMORY']],
    ['/memory-objects', ['GUEST_OUT_OF_MEMORY']],
    ['/throw', ['GUEST_ERROR']],
    ['/no-response', ['GUEST_ERROR']],
    ['/big', ['GUEST_RESPONSE_TOO_LARGE']],
  ])('contains %s and serves the next call', async (url, codes) => {
    const { httpStatus, head, body } = await misbehave(url, { limits: { timeout_ms: 30_000 } });
    expect(httpStatus).toBe(200);
    expect(codes).toContain(head.error?.code);
    expect(body).toBe('');
    expect((await misbehave('/ok')).head.status).toBe(200);
  });

  it('cuts the log of a guest that says too much', async () => {
    runner.log.length = 0;
    expect((await misbehave('/chatty', { limits: { timeout_ms: 60_000 } })).head.status).toBe(200);
    const lines = runner.log.filter((entry) => entry['stream'] === 'guest');
    expect(lines.length).toBeLessThanOrEqual(201);
    expect(lines.at(-1)).toMatchObject({ dropped: expect.any(Number) as unknown });
  });

  it('limits how much one tenant runs at once, and leaves the others alone', async () => {
    // Six run and six wait, of the one install.
    const loops = Array.from({ length: 12 }, () => misbehave('/loop', { limits: { timeout_ms: 1_500 } }));
    const [refused, neighbour] = await Promise.all([misbehave('/ok'), misbehave('/ok', { tenantId: B })]);
    expect([refused.httpStatus, refused.head.code]).toEqual([429, 'CONCURRENCY_LIMITED']);
    expect(neighbour.head.status).toBe(200);
    for (const { head } of await Promise.all(loops)) {
      expect(['GUEST_TIMEOUT', 'SANDBOX_LOST']).toContain(head.error?.code);
    }
  });

  it('says that an artifact is missing or not ours', async () => {
    const missing = `sha256:${'0'.repeat(64)}`;
    expect(await runner.warm(A, missing)).toMatchObject({
      status: 503,
      body: { code: 'BUNDLE_UNAVAILABLE' },
    });
    expect((await runner.execute({ contentHash: missing })).head.error?.code).toBe('BUNDLE_UNAVAILABLE');

    const foreign = { ...hostile, contentHash: `sha256:${'1'.repeat(64)}` };
    await runner.publish(foreign);
    const key = createObjectKeys('sha256/').artifact(foreign.contentHash, ARTIFACT_TARGET);
    const stored = await runner.objects.read(key);
    if (!stored) throw new Error('the artifact was not stored');
    const bytes = await buffer(stored.body);
    bytes[1000] = (bytes[1000] ?? 0) ^ 1;
    await runner.objects.put(key, bytes);
    expect(await runner.warm(A, foreign.contentHash)).toMatchObject({
      status: 503,
      body: { code: 'BUNDLE_UNAVAILABLE' },
    });
    expect((await runner.execute({ contentHash: foreign.contentHash })).head.error?.code).toBe(
      'BUNDLE_UNAVAILABLE',
    );
    expect(JSON.stringify(runner.log)).toContain('ARTIFACT_INVALID');
  });
});
