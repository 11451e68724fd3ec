import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { extensionAddress, publisherSlug } from '../core/ids.ts';
import { PUBLISH_ENDED, PUBLISH_STATUSES } from '../core/progress.ts';
import { packTarZst } from '../platform/bundle/pack.ts';
import { buildExample } from '../scripts/build-example.ts';

const FOLDER = path.resolve(import.meta.dirname, '..', 'examples', 'hello');
const WAIT = { prefer: 'wait=60' };
const POLL_MS = 500;

const manifest = z.object({ publisher: z.string(), name: z.string() });
const upload = z.object({ uploadId: z.string() });
const publish = z.object({ status: z.enum(PUBLISH_STATUSES) });
const install = z.object({ installId: z.uuid(), extension: z.string(), status: z.string() });
const page = z.object({ uiUrl: z.string().optional() });

/** The example as `publisher.name`. */
export async function exampleAddress(): Promise<string> {
  const { publisher, name } = manifest.parse(
    JSON.parse(await readFile(path.join(FOLDER, 'manifest.json'), 'utf8')),
  );
  return extensionAddress(publisherSlug(publisher), name);
}

/** The example's bundle, built unless it was built before. */
export async function packExample(cacheDir: string, log: (line: string) => void): Promise<Uint8Array> {
  const { files } = await buildExample(FOLDER, { cacheDir, log });
  return packTarZst(files);
}

export interface HttpApi {
  gateway: string;
  key: string;
}

/** Publishes and installs the bundle like anybody would, over HTTP. What is done already is not done again. */
export async function publishAndInstall(api: HttpApi, address: string, bundle: Uint8Array): Promise<void> {
  await publishBundle(api, bundle);
  const answer = await send(api, 'POST', '/api/v1/extensions/install', {
    headers: WAIT,
    json: { extension: address, consent: 'all' },
  });
  if (answer.status !== 200 && answer.status !== 201) throw failure('installing the example', answer);
}

async function publishBundle(api: HttpApi, bundle: Uint8Array): Promise<void> {
  const opened = await send(api, 'POST', '/api/ext-bundles/initiate-upload', {
    json: {
      filename: 'hello.tar.zst',
      size: bundle.byteLength,
      sha256: createHash('sha256').update(bundle).digest('hex'),
      method: 'proxy',
    },
  });
  if (opened.status !== 201) throw failure('opening the upload', opened);
  const { uploadId } = upload.parse(opened.body);
  const put = await send(api, 'PUT', `/api/ext-bundles/upload-proxy?uploadId=${uploadId}`, {
    headers: { 'content-type': 'application/zstd' },
    bytes: bundle,
  });
  if (put.status !== 200) throw failure('uploading the example', put);
  let answer = await send(api, 'POST', '/api/ext-bundles/finalize', { headers: WAIT, json: { uploadId } });
  while (answer.status === 202 || (answer.status === 200 && !hasEnded(answer.body))) {
    await delay(POLL_MS);
    answer = await send(api, 'GET', `/api/v1/publishes/${uploadId}`, {});
  }
  const there = codeOf(answer.body) === 'VERSION_EXISTS'; // published by an earlier start
  const published = answer.status === 201 || publish.safeParse(answer.body).data?.status === 'published';
  if (!there && !published) throw failure('publishing the example', answer);
}

/** Undefined if the example is not installed (any more). */
export async function findExample(
  api: HttpApi,
  address: string,
): Promise<{ address: string; page?: string } | undefined> {
  const answer = await send(api, 'GET', '/api/v1/installs?limit=200', {});
  if (answer.status !== 200) throw failure('listing the installs', answer);
  const { items } = z.object({ items: z.array(install) }).parse(answer.body);
  const found = items.find(({ extension, status }) => extension === address && status === 'active');
  if (!found) return undefined;
  const detail = await send(api, 'GET', `/api/v1/installs/${found.installId}`, {});
  if (detail.status !== 200) throw failure('reading the install', detail);
  const { uiUrl } = page.parse(detail.body);
  return { address, ...(uiUrl !== undefined && { page: uiUrl }) };
}

interface Answer {
  status: number;
  body: unknown;
}

async function send(
  { gateway, key }: HttpApi,
  method: string,
  route: string,
  request: { headers?: Record<string, string>; json?: unknown; bytes?: Uint8Array },
): Promise<Answer> {
  const { headers, json, bytes } = request;
  const response = await fetch(`${gateway}${route}`, {
    method,
    headers: {
      authorization: `Bearer ${key}`,
      ...(json !== undefined && { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(json !== undefined && { body: JSON.stringify(json) }),
    ...(bytes !== undefined && { body: new Uint8Array(bytes) }),
    signal: AbortSignal.timeout(120_000),
  });
  const text = await response.text();
  return { status: response.status, body: text === '' ? undefined : JSON.parse(text) };
}

function hasEnded(body: unknown): boolean {
  const { data } = publish.safeParse(body);
  return data === undefined || PUBLISH_ENDED.includes(data.status);
}

function codeOf(body: unknown): string | undefined {
  return z.object({ code: z.string() }).safeParse(body).data?.code;
}

function failure(what: string, { status, body }: Answer): Error {
  return new Error(`${what} failed with ${status}: ${JSON.stringify(body)}`);
}
