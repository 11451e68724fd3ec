import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { buffer } from 'node:stream/consumers';
import { PutBucketCorsCommand, S3Client, type CORSConfiguration } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { initiateUpload, readUpload } from '../../core/api/uploads.ts';
import { packTarZst } from '../../platform/bundle/pack.ts';
import { findChromium, openPage } from '../support/chromium.ts';
import { createTenant, expectStatus } from '../support/extensions.ts';
import { forwardTcp, type TcpForward } from '../support/forward-tcp.ts';
import { startPlatform, type TestPlatform } from '../support/platform.ts';
import { describeWithVersityGw, startVersityGw, type VersityGw } from '../support/start-versitygw.ts';
import { componentOfHostWorld } from '../support/tiny-components.ts';

const GUIDE = path.resolve(import.meta.dirname, '../../docs/operator-guide.md');
const MANIFEST = {
  ...{ name: 'from-a-page', version: '1.0.0', displayName: 'From a page' },
  ...{ publisher: 'Pages', runtime: 'wasm-js@1' },
};

/** What the operator's page says of pages that send bundles, for this origin. */
function documentedCors(origin: string): CORSConfiguration {
  const [, json = ''] = /put-bucket-cors[^]*?```json\n([^]*?)```/.exec(readFileSync(GUIDE, 'utf8')) ?? [];
  return JSON.parse(json.replaceAll('https://console.example', origin)) as CORSConfiguration;
}

/** Sends what `/bundle` is to the URL of the order, and tells how that went. */
const PAGE = `<!doctype html><script type="module">
  const { url, headers } = await (await fetch('/order')).json();
  const body = await (await fetch('/bundle')).blob();
  const told = await fetch(url, { method: 'PUT', headers, body })
    .then(({ status, headers }) => ({ status, etag: headers.get('etag') }))
    .catch(({ name }) => ({ error: name }));
  await fetch('/told', { method: 'POST', body: JSON.stringify(told) });
</script>`;

const chromium = await findChromium(process.env);
if (chromium === undefined) {
  if (process.env['CI'] !== undefined)
    throw new Error('install Chromium or set CHROMIUM: it must be tested in CI');
  console.warn('SKIPPED: uploads from pages are not tested, for there is no Chromium on this machine');
}

await describeWithVersityGw('a page of another origin', (binary) => {
  let server: VersityGw;
  let forward: TcpForward;
  let platform: TestPlatform;
  let pages: Server;
  let pagesPort: number;
  let bundle: Buffer;
  let order: unknown;
  let told: (answer: unknown) => void;

  beforeAll(async () => {
    server = await startVersityGw(binary);
    forward = await forwardTcp(Number(new URL(server.config.endpoint).port));
    const publicEndpoint = `http://localhost:${forward.port}`;
    platform = await startPlatform(
      { ...server.environment, STORAGE_S3_PUBLIC_ENDPOINT: publicEndpoint },
      { anew: true },
    );
    bundle = Buffer.from(
      await packTarZst([
        { path: 'manifest.json', bytes: Buffer.from(JSON.stringify(MANIFEST)) },
        { path: 'entry.wasm', bytes: await componentOfHostWorld() },
      ]),
    );
    pages = createServer((req, res) => {
      if (req.url === '/') res.setHeader('content-type', 'text/html').end(PAGE);
      else if (req.url === '/order') res.end(JSON.stringify(order));
      else if (req.url === '/bundle') res.end(bundle);
      else if (req.url === '/told')
        void buffer(req).then((body) => (told(JSON.parse(body.toString())), res.end()));
      else res.writeHead(404).end();
    });
    await once(pages.listen(0), 'listening');
    pagesPort = (pages.address() as AddressInfo).port;
    await allow(`http://127.0.0.1:${pagesPort}`);
  }, 900_000);
  afterAll(async () => {
    pages.closeAllConnections();
    pages.close();
    await platform.close();
    await forward.close();
    await server.close();
  }, 300_000);

  async function allow(origin: string): Promise<void> {
    const { endpoint, region, accessKey, secretKey, bucket } = server.config;
    const credentials = { accessKeyId: accessKey, secretAccessKey: secretKey.reveal() };
    const admin = new S3Client({ endpoint, region, credentials, forcePathStyle: true });
    const CORSConfiguration = documentedCors(origin);
    await admin.send(new PutBucketCorsCommand({ Bucket: bucket, CORSConfiguration }));
    admin.destroy();
  }

  async function sendFrom(origin: string): Promise<unknown> {
    const answer = Promise.withResolvers<unknown>();
    told = answer.resolve;
    const browser = await openPage(chromium ?? '', `${origin}/`);
    try {
      return await answer.promise;
    } finally {
      await browser.close();
    }
  }

  (chromium === undefined ? it.skip : it)(
    'sends a bundle to the public address of the store if the bucket allows it, and it is published',
    async () => {
      const { key } = await createTenant(platform, 'Pages');
      const call = platform.as(key);
      const body = { filename: 'a.tar.zst', size: bundle.byteLength, method: 'presigned' } as const;
      const { uploadId, url = '', headers } = (await call(initiateUpload, { body })).body;
      expect(new URL(url).host).toBe(`localhost:${forward.port}`);
      order = { url, headers };

      expect(await sendFrom(`http://localhost:${pagesPort}`)).toEqual({ error: 'TypeError' });
      expect((await call(readUpload, { params: { uploadId } })).body).toMatchObject({ receivedParts: [] });

      const etag = expect.stringMatching(/^"[0-9a-f]+"$/) as unknown;
      expect(await sendFrom(`http://127.0.0.1:${pagesPort}`)).toEqual({ status: 200, etag });
      expect(forward.connections()).toBeGreaterThan(0);
      const wait = { prefer: 'wait=60' };
      const request = { key, json: { uploadId }, headers: wait };
      expectStatus(await platform.request('POST', '/api/ext-bundles/finalize', request), 201);
    },
  );
});
