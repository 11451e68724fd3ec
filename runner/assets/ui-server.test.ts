import { createHash, randomUUID } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from '@jest/globals';
import { PlatformError } from '../../core/errors.ts';
import {
  closeUiListeners,
  setUpUiListener as setup,
  UI_EXTENSION as EXTENSION,
  UI_FILES as FILES,
} from '../../test/support/ui-listener.ts';

afterEach(closeUiListeners);

async function expectRefusal(response: Response, status: number): Promise<void> {
  expect(response.status).toBe(status);
  expect(response.headers.get('cache-control')).toBe('no-store');
  expect(response.headers.get('etag')).toBeNull();
  expect(response.headers.get('x-content-type-options')).toBe('nosniff');
  expect(await response.text()).not.toContain('<');
}

describe('the UI listener', () => {
  it('serves a file of the UI for ever, walled in', async () => {
    const { ui } = await setup();
    const response = await ui('/app.js');
    expect(response.status).toBe(200);
    expect(await response.text()).toBe(FILES['ui/app.js']);
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'content-type': 'text/javascript; charset=utf-8',
      'cache-control': 'public, max-age=31536000, immutable',
      etag: `"${createHash('sha256')
        .update(FILES['ui/app.js'] ?? '')
        .digest('hex')}"`,
      'accept-ranges': 'bytes',
      'x-content-type-options': 'nosniff',
      'access-control-allow-origin': '*',
      'cross-origin-resource-policy': 'cross-origin',
      'referrer-policy': 'no-referrer',
      'permissions-policy': expect.stringContaining('camera=()') as unknown,
    });
    expect(response.headers.get('content-security-policy')).toBe(
      "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:; " +
        "connect-src 'self' https://api.example; frame-src 'none'; form-action 'none'; base-uri 'none'; frame-ancestors *; " +
        'sandbox allow-scripts',
    );
  });

  it("serves the manifest's entry for the empty path, with or without the slash", async () => {
    const { ui } = await setup();
    for (const path of ['', '/']) {
      const response = await ui(path);
      expect(response.headers.get('content-type')).toBe('text/html; charset=utf-8');
      expect(await response.text()).toBe(FILES['ui/index.html']);
    }
  });

  it('takes the colon of the hash as %3A, and names with any letters', async () => {
    const { get, hash } = await setup();
    const escaped = hash.replace(':', '%3A');
    const response = await get(`/ext-ui/${EXTENSION}/${escaped}/sub/Gr%C3%B6%C3%9Fe%201%25.css`);
    expect(response.status).toBe(200);
    expect(await response.text()).toBe('body {}');
  });

  it('answers HEAD, conditions and ranges', async () => {
    const { ui, raw } = await setup();
    const head = await ui('/app.js', { method: 'HEAD' });
    expect([head.status, head.headers.get('content-length'), await head.text()]).toEqual([200, '19', '']);
    const etag = head.headers.get('etag') ?? '';
    expect(await raw('/app.js', { 'if-none-match': etag })).toMatchObject({ status: 304, body: '' });
    expect((await raw('/app.js', { 'if-match': '"another"' })).status).toBe(412);
    const range = await ui('/app.js', { headers: { range: 'bytes=0-5', 'if-range': etag } });
    expect([range.status, range.headers.get('content-range'), await range.text()]).toEqual([
      206,
      'bytes 0-5/19',
      'export',
    ]);
    await expectRefusal(await ui('/app.js', { headers: { range: 'bytes=90-99' } }), 416);
  });

  it('offers what it does not know as a download', async () => {
    const { ui } = await setup();
    const { headers } = await ui('/tool.exe');
    expect([headers.get('content-type'), headers.get('content-disposition')]).toEqual([
      'application/octet-stream',
      'attachment',
    ]);
  });

  it.each(['/nothing.js', '/.hidden', '/sub', '/sub/', '/../manifest.json', '/%00'])(
    'has nothing at %s',
    async (path) => {
      const { ui } = await setup();
      await expectRefusal(await ui(path), 404);
    },
  );

  it.each([
    '/../manifest.json',
    '/%2e%2e/manifest.json',
    '/..%2fmanifest.json',
    '/sub/..%2f..%2f..%2f..%2fobjects',
    '/..%5cmanifest.json',
    '//etc/hostname',
    '/%2fetc%2fhostname',
    '/%E0%A4%A',
  ])('lets no path out of the UI folder: %s', async (path) => {
    const { raw } = await setup();
    const { status, body } = await raw(path);
    expect(status).toBe(404);
    expect(body).not.toContain('secret');
  });

  it('serves nothing that the gateway does not name', async () => {
    const { ui } = await setup({ install: undefined });
    await expectRefusal(await ui('/app.js'), 404);
  });

  it.each([
    ['an extension id', (hash: string) => `/ext-ui/x/${hash}/app.js`],
    ['a hash', () => `/ext-ui/${EXTENSION}/sha256:abc/app.js`],
    ['a route', () => '/'],
  ])('answers what is not %s without asking the gateway', async (_what, path) => {
    const { get, hash, asked } = await setup();
    await expectRefusal(await get(path(hash)), 404);
    expect(asked).toEqual([]);
  });

  it('takes no other method', async () => {
    const { ui } = await setup();
    const response = await ui('/app.js', { method: 'POST' });
    expect(response.headers.get('allow')).toBe('GET, HEAD');
    await expectRefusal(response, 405);
  });

  it('asks the gateway again after 10 s when it said yes and after 2 s when it said no', async () => {
    const { ui, asked, pass, answerWith } = await setup();
    await ui('/app.js');
    pass(9_999);
    expect((await ui('/app.js')).status).toBe(200);
    expect(asked).toHaveLength(1);
    answerWith(undefined);
    pass(1);
    expect((await ui('/app.js')).status).toBe(404);
    answerWith({ entry: 'index.html', csp: {} });
    pass(1_999);
    expect((await ui('/app.js')).status).toBe(404);
    pass(1);
    expect((await ui('/app.js')).status).toBe(200);
    expect(asked).toHaveLength(3);
  });

  it('says when the gateway is away, and asks again at once', async () => {
    const { ui, answerWith } = await setup();
    answerWith(new PlatformError('GATEWAY_UNAVAILABLE', 'away'));
    const response = await ui('/app.js');
    expect(response.headers.get('retry-after')).toBe('1');
    await expectRefusal(response, 503);
    answerWith({ entry: 'index.html', csp: {} });
    expect((await ui('/app.js')).status).toBe(200);
  });

  it('serves only what the manifest names under assets, whichever path is asked', async () => {
    const { ui, raw } = await setup({ manifest: { assets: ['ui/index.html', 'ui/**/*.css'] } });
    expect((await ui('/')).status).toBe(200);
    expect((await ui('/sub/Gr%C3%B6%C3%9Fe%201%25.css')).status).toBe(200);
    for (const path of ['/app.js', '/tool.exe', '/sub/../app.js', '/./app.js', '/%61pp.js']) {
      expect((await raw(path)).status).toBe(404);
    }
  });

  it('goes on serving the entry of a version whose patterns leave it out', async () => {
    const manifest = { assets: ['ui/app.[jt]s'], ui: { type: 'iframe', entry: 'ui/index.html' } };
    const { ui } = await setup({ manifest });
    expect((await ui('/')).status).toBe(200);
    expect((await ui('/app.js')).status).toBe(404);
  });

  it('serves nothing of the folders that a release left which did not heed assets', async () => {
    const { ui } = await setup({
      manifest: { assets: ['ui/index.html'] },
      cached: async (cache, hash) => {
        const old = join(cache, `ui-${hash.slice('sha256:'.length)}`);
        await mkdir(old, { recursive: true });
        await writeFile(join(old, 'app.js'), 'excluded');
      },
    });
    await expectRefusal(await ui('/app.js'), 404);
  });

  it('serves nothing of a bundle whose manifest cannot be read', async () => {
    const { ui } = await setup({ manifest: { assets: 'ui/**' } });
    await expectRefusal(await ui('/'), 500);
  });

  it('refuses a stranger who asks for too much that is not there, and serves what is', async () => {
    const { ui, get, hash, answerWith } = await setup();
    await ui('/app.js');
    answerWith(undefined);
    const ofNobody = () => get(`/ext-ui/${randomUUID()}/${hash}/app.js`);
    for (let index = 0; index < 20; index += 1) await expectRefusal(await ofNobody(), 404);
    const response = await ofNobody();
    expect(response.headers.get('retry-after')).toBe('1');
    await expectRefusal(response, 429);
    expect((await ui('/app.js')).status).toBe(200);
  });

  it('serves a file that was altered on the disk as it is in the bundle', async () => {
    const { ui, cache, hash } = await setup();
    expect((await ui('/app.js')).status).toBe(200);
    await writeFile(join(cache, `forms-${hash.slice('sha256:'.length)}`, 'identity', 'app.js'), 'steal()');
    for (const headers of [{}, { range: 'bytes=0-18' }]) {
      expect(await (await ui('/app.js', { headers })).text()).toBe(FILES['ui/app.js']);
    }
  });

  it('serves nothing of a bundle whose bytes are not those of its hash', async () => {
    const { ui } = await setup({ damage: true });
    await expectRefusal(await ui('/app.js'), 500);
    await expectRefusal(await ui('/app.js'), 500);
  });
});
