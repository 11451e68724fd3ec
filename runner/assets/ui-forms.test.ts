import { createHash } from 'node:crypto';
import { brotliDecompressSync, gunzipSync, zstdDecompressSync } from 'node:zlib';
import { afterEach, describe, expect, it } from '@jest/globals';
import {
  closeUiListeners,
  setUpUiListener as setup,
  UI_FILES as FILES,
} from '../../test/support/ui-listener.ts';

afterEach(closeUiListeners);

describe('the forms in which the UI listener serves a file', () => {
  it.each([
    ['br', brotliDecompressSync],
    ['zstd', zstdDecompressSync],
    ['gzip', gunzipSync],
  ])('serves %s to whoever takes it, by an entity tag of its own', async (coding, decode) => {
    const { raw } = await setup();
    const plain = await raw('/big.js');
    expect([plain.headers['content-encoding'], plain.headers.vary]).toEqual([undefined, 'accept-encoding']);
    const encoded = await raw('/big.js', { 'accept-encoding': coding });
    expect(encoded.headers).toMatchObject({
      'content-encoding': coding,
      'content-type': 'text/javascript; charset=utf-8',
      'content-length': String(encoded.bytes.length),
      vary: 'accept-encoding',
      'cache-control': 'public, max-age=31536000, immutable',
    });
    expect(decode(encoded.bytes).toString()).toBe(FILES['ui/big.js']);
    expect(encoded.headers.etag).toBe(`"${createHash('sha256').update(encoded.bytes).digest('hex')}"`);
    const known = { 'accept-encoding': coding, 'if-none-match': encoded.headers.etag ?? '' };
    expect((await raw('/big.js', known)).status).toBe(304);
    expect((await raw('/big.js', { ...known, 'accept-encoding': 'identity' })).status).toBe(200);
    const head = await raw('/big.js', { 'accept-encoding': coding }, 'HEAD');
    expect(head.headers).toMatchObject({
      'content-length': String(encoded.bytes.length),
      etag: encoded.headers.etag,
    });
    const part = await raw('/big.js', {
      'accept-encoding': coding,
      range: 'bytes=2-9',
      'if-range': known['if-none-match'],
    });
    expect([part.status, part.headers['content-encoding'], part.bytes]).toEqual([
      206,
      coding,
      encoded.bytes.subarray(2, 10),
    ]);
  });

  it('serves a file larger than it keeps in memory, whole, in part and encoded', async () => {
    const { raw } = await setup();
    const whole = FILES['ui/huge.txt'] ?? '';
    expect((await raw('/huge.txt')).body).toBe(whole);
    const part = await raw('/huge.txt', { range: 'bytes=479990-' });
    expect([part.status, part.body, part.headers['content-range']]).toEqual([
      206,
      whole.slice(479_990),
      'bytes 479990-479999/480000',
    ]);
    const head = await raw('/huge.txt', {}, 'HEAD');
    expect([head.headers['content-length'], head.body]).toEqual(['480000', '']);
    expect(brotliDecompressSync((await raw('/huge.txt', { 'accept-encoding': 'br' })).bytes).toString()).toBe(
      whole,
    );
  });

  it('answers a navigation to what is no file with the entry, for that request alone', async () => {
    const { raw } = await setup();
    const page = { accept: 'text/html,application/xhtml+xml,*/*;q=0.8', 'sec-fetch-mode': 'navigate' };
    for (const path of ['/invoices', '/invoices/7?tab=1', '/about.html']) {
      const { status, body, headers } = await raw(path, page);
      expect([status, body]).toEqual([200, FILES['ui/index.html']]);
      expect(headers).toMatchObject({
        'content-type': 'text/html; charset=utf-8',
        vary: 'accept, sec-fetch-mode',
        'content-security-policy': expect.stringContaining('sandbox allow-scripts') as unknown,
      });
    }
    expect((await raw('/invoices', { accept: 'text/html' })).status).toBe(200); // a browser that says no more
    expect((await raw('/app.js', page)).body).toBe(FILES['ui/app.js']);
  });

  it.each([
    ['a script', '/missing.js', { accept: '*/*', 'sec-fetch-mode': 'no-cors' }],
    ['a module', '/missing', { accept: '*/*', 'sec-fetch-mode': 'cors' }],
    ['a script, by an old browser', '/missing.js', { accept: '*/*' }],
    ['an image', '/missing.png', { accept: 'image/avif,image/webp,*/*;q=0.8' }],
    ['a script that is looked at', '/missing.js', { accept: 'text/html', 'sec-fetch-mode': 'navigate' }],
    ['a fetch that says html', '/missing', { accept: 'text/html', 'sec-fetch-mode': 'cors' }],
    ['a hidden file', '/.git', { accept: 'text/html', 'sec-fetch-mode': 'navigate' }],
  ])('finds nothing where %s is missing', async (_what, path, headers) => {
    const { raw } = await setup();
    const { status, headers: answered } = await raw(path, headers);
    expect([status, answered['cache-control']]).toEqual([404, 'no-store']);
  });
});
