import { createHash, randomBytes } from 'node:crypto';
import { HeadObjectCommand, PutBucketCorsCommand, S3Client } from '@aws-sdk/client-s3';
import { MockActivityEnvironment } from '@temporalio/testing';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { createUploadActivities, type ReceivedBundle } from '../../activities/uploads.ts';
import { PUBLISH_STEPS, pendingSteps } from '../../core/progress.ts';
import { packTarZst } from '../../platform/bundle/pack.ts';
import type { SentPart } from '../../core/upload-parts.ts';
import { createUploadStore } from '../../platform/db/uploads.ts';
import { createObjectKeys } from '../../platform/objects/keys.ts';
import type { ObjectStore } from '../../platform/objects/object-store.ts';
import { createS3ObjectStore } from '../../platform/objects/s3-object-store.ts';
import { judgingActivities } from '../support/judging-activities.ts';
import { problem, startApi, type TestApi } from '../support/start-api.ts';
import { describeWithVersityGw, startVersityGw, type VersityGw } from '../support/start-versitygw.ts';

const MIB = 1024 * 1024;
const SMALL = new Uint8Array(randomBytes(70_001));
/** Two parts. */
const LARGE = new Uint8Array(randomBytes(17 * MIB));
const keys = createObjectKeys('sha256/');
const steps = pendingSteps(PUBLISH_STEPS);

/** As a worker does. */
function run<Result>(activity: () => Promise<Result>): Promise<Result> {
  return new MockActivityEnvironment().run<[], Result, () => Promise<Result>>(activity);
}

interface Begun {
  uploadId: string;
  method: string;
  url: string;
  headers?: Record<string, string>;
  partSize: number;
  parts: { number: number; url: string }[];
}

await describeWithVersityGw('an upload straight to the object store', (binary) => {
  let server: VersityGw;
  let objects: ObjectStore;
  let api: TestApi;
  let tenantId: string;
  let key: string;
  beforeAll(async () => {
    server = await startVersityGw(binary);
    objects = createS3ObjectStore(server.config);
    api = await startApi('direct_uploads', () => server.environment);
    ({ tenantId, key } = await api.tenant());
  });
  afterAll(async () => {
    await api.close();
    await server.close();
  });

  async function initiate(
    bytes: Uint8Array,
    fields: { sha256?: string; contentType?: string } = {},
  ): Promise<Begun> {
    const json = { filename: 'a.tar.zst', size: bytes.length, method: 'presigned', ...fields };
    const answer = await api.request('POST', '/api/ext-bundles/initiate-upload', { key, json });
    expect(answer.status).toBe(201);
    return answer.json as unknown as Begun;
  }
  const read = async (uploadId: string) =>
    (await api.request('GET', `/api/ext-bundles/uploads/${uploadId}`, { key })).json;
  const send = async (url: string, body: Uint8Array<ArrayBuffer>, headers = {}): Promise<string> => {
    const answer = await fetch(url, { method: 'PUT', body, headers });
    expect(answer.status).toBe(200);
    return answer.headers.get('etag') ?? '';
  };
  const partOf = (number: number) => LARGE.subarray((number - 1) * 16 * MIB, number * 16 * MIB);
  async function refOf(uploadId: string) {
    const row = await createUploadStore(api.db).find(tenantId, uploadId);
    return { tenantId, uploadId, requestedBy: row?.createdBy ?? '' };
  }
  /** What the workflow does when the upload is finalized. */
  async function open(uploadId: string, parts?: SentPart[]): Promise<ReceivedBundle> {
    const all = activities();
    const input = { ...(await refOf(uploadId)), steps, ...(parts && { parts }) };
    return run(() => all.openPublish(input));
  }
  const activities = () => createUploadActivities({ uploads: createUploadStore(api.db), objects, keys });

  it('of few bytes is one request, and is there when they are', async () => {
    const { uploadId, method, url, headers } = await initiate(SMALL);
    expect(method).toBe('single');
    await expect(open(uploadId)).rejects.toMatchObject({ code: 'UPLOAD_INCOMPLETE' });
    expect(await read(uploadId)).toMatchObject({ receivedParts: [], parts: [{ number: 1 }] });
    await send(url, SMALL, headers);
    expect(await read(uploadId)).toMatchObject({ receivedParts: [{ size: SMALL.length }], parts: [] });
    expect(await open(uploadId)).toEqual({});
    expect(await open(uploadId)).toEqual({});
    const row = await createUploadStore(api.db).find(tenantId, uploadId);
    expect(row).toMatchObject({ status: 'verifying', received: { size: SMALL.length } });
  });

  it('of many bytes comes in parts, and goes on after it broke off with those that are missing', async () => {
    const begun = await initiate(LARGE);
    expect(begun).toMatchObject({
      method: 'multipart',
      partSize: 16 * MIB,
      parts: [{ number: 1 }, { number: 2 }],
    });
    const etag = await send(begun.parts[1]?.url ?? '', partOf(2));
    await expect(open(begun.uploadId)).rejects.toMatchObject({
      code: 'UPLOAD_INCOMPLETE',
      message: expect.stringContaining('not arrived whole: 1;') as unknown,
    });
    const resumed = await read(begun.uploadId);
    expect(resumed).toMatchObject({
      receivedParts: [{ number: 2, size: MIB, etag }],
      parts: [{ number: 1 }],
    });
    const [missing] = resumed['parts'] as Begun['parts'];
    const first = await send(missing?.url ?? '', partOf(1));
    const wrong = [{ number: 1, etag }];
    await expect(open(begun.uploadId, wrong)).rejects.toMatchObject({ code: 'UPLOAD_MISMATCH' });
    const sent = [
      { number: 1, etag: first },
      { number: 2, etag },
    ];
    await open(begun.uploadId, sent);
    await open(begun.uploadId, sent);
    const staged = await objects.read(keys.staging(await refOf(begun.uploadId)));
    const hash = createHash('sha256');
    for await (const chunk of staged?.body ?? []) hash.update(chunk);
    expect(hash.digest('hex')).toBe(createHash('sha256').update(LARGE).digest('hex'));
  });

  it('that is given up leaves no part, and takes none any more', async () => {
    const { uploadId, parts } = await initiate(LARGE);
    await send(parts[1]?.url ?? '', partOf(2));
    const ref = await refOf(uploadId);
    const real = activities();
    await run(() => real.removeStaging(ref));
    const late = await fetch(parts[1]?.url ?? '', { method: 'PUT', body: partOf(2) });
    expect(late.status).toBe(404);
    const all = { before: new Date(Date.now() + 60_000), dryRun: true };
    expect(await objects.removeUnfinished(keys.stagingOf(ref), all)).toBe(0);
    const route = `/api/ext-bundles/uploads/${uploadId}`;
    expect(await api.request('GET', route, { key })).toMatchObject(problem(409, 'UPLOAD_CLOSED'));
    await expect(open(uploadId)).rejects.toMatchObject({ code: 'UPLOAD_INCOMPLETE' });
  });

  it('leaves nothing in the store when the platform does not take it', async () => {
    const { key: other } = await api.tenant();
    const json = { filename: 'a.tar.zst', size: LARGE.length, method: 'presigned' };
    const begin = () => api.request('POST', '/api/ext-bundles/initiate-upload', { key: other, json });
    let last = await begin();
    for (let n = 0; last.status === 201 && n < 1_000; n += 1) last = await begin();
    expect(last).toMatchObject(problem(429, 'QUOTA_EXCEEDED'));
    const rows = await api.db('extension_upload').where({ method: 'multipart' }).count({ count: '*' });
    const all = { before: new Date(Date.now() + 60_000), dryRun: true };
    const unfinished = await objects.removeUnfinished(keys.prefixes.staging, all);
    const joinedOrGone = 2;
    expect(unfinished).toBe(Number(rows[0]?.count) - joinedOrGone);
  });

  it('of other bytes than announced is refused by its hash', async () => {
    const bytes = new Uint8Array(await packTarZst([{ path: 'manifest.json', bytes: Buffer.from('{}') }]));
    const { uploadId, url, headers } = await initiate(bytes, { sha256: '0'.repeat(64) });
    await send(url, bytes, headers);
    const received = await open(uploadId);
    expect(received).toEqual({ contentHash: `sha256:${'0'.repeat(64)}` });
    const judging = judgingActivities(api.db, { objects, keys });
    const ref = await refOf(uploadId);
    const verify = () => judging.verifyBundle({ ...ref, ...received });
    const { checks, fault } = await run(verify);
    expect(fault?.code).toBe('BUNDLE_CORRUPT');
    expect(checks.find(({ name }) => name === 'hash')?.result).toBe('failed');
  });

  it('does not take its bytes, nor parts that it has not, at the gateway', async () => {
    const { uploadId } = await initiate(SMALL);
    const headers = { 'content-type': 'application/zstd' };
    const route = `/api/ext-bundles/upload-proxy?uploadId=${uploadId}`;
    expect(await api.request('PUT', route, { key, body: SMALL, headers })).toMatchObject(
      problem(422, 'UPLOAD_METHOD_UNAVAILABLE'),
    );
    const json = { uploadId, parts: [{ number: 1, etag: 'x' }] };
    expect(await api.request('POST', '/api/ext-bundles/finalize', { key, json })).toMatchObject(
      problem(422, 'UPLOAD_METHOD_UNAVAILABLE'),
    );
  });

  it('comes as the type that was announced, which fresh URLs ask for as well', async () => {
    const headers = { 'content-type': 'application/octet-stream' };
    const begun = await initiate(SMALL, { contentType: headers['content-type'] });
    expect(begun).toMatchObject({ method: 'single', headers });
    const { parts, ...resumed } = await read(begun.uploadId);
    expect(resumed).toMatchObject({ headers });
    const [{ url }] = parts as [{ url: string }];
    const other = { 'content-type': 'application/zstd' };
    expect((await fetch(url, { method: 'PUT', body: SMALL, headers: other })).status).toBe(403);
    await send(url, SMALL, headers);
    expect(await open(begun.uploadId)).toEqual({});

    const large = await initiate(LARGE, { contentType: headers['content-type'] });
    await Promise.all(large.parts.map(({ number, url: part }) => send(part, partOf(number))));
    await open(large.uploadId);
    const { endpoint, region, accessKey, secretKey, bucket } = server.config;
    const credentials = { accessKeyId: accessKey, secretAccessKey: secretKey.reveal() };
    const reader = new S3Client({ endpoint, region, credentials, forcePathStyle: true });
    const head = new HeadObjectCommand({ Bucket: bucket, Key: keys.staging(await refOf(large.uploadId)) });
    expect((await reader.send(head)).ContentType).toBe(headers['content-type']);
    reader.destroy();
  });

  it('is never in a log', async () => {
    const { url } = await initiate(SMALL);
    const signature = new URL(url).searchParams.get('X-Amz-Signature') ?? '';
    expect(signature).toMatch(/^[0-9a-f]{64}$/);
    expect(api.log.join('\n')).not.toContain(signature);
    expect(api.log.join('\n')).not.toContain('X-Amz-Signature');
  });

  it('may come from a browser once the bucket allows the origin of its page', async () => {
    const { endpoint, region, accessKey, secretKey, bucket } = server.config;
    const credentials = { accessKeyId: accessKey, secretAccessKey: secretKey.reveal() };
    const admin = new S3Client({ endpoint, region, credentials, forcePathStyle: true });
    const rule = {
      AllowedOrigins: ['https://console.example'],
      AllowedMethods: ['PUT'],
      AllowedHeaders: ['content-type'],
      ExposeHeaders: ['ETag'],
      MaxAgeSeconds: 3600,
    };
    await admin.send(new PutBucketCorsCommand({ Bucket: bucket, CORSConfiguration: { CORSRules: [rule] } }));
    admin.destroy();
    const { url } = await initiate(SMALL);
    const preflight = (origin: string) =>
      fetch(url, {
        method: 'OPTIONS',
        headers: {
          origin,
          'access-control-request-method': 'PUT',
          'access-control-request-headers': 'content-type',
        },
      });
    const allowed = await preflight('https://console.example');
    expect([allowed.status, allowed.headers.get('access-control-allow-origin')]).toEqual([
      200,
      'https://console.example',
    ]);
    expect((await preflight('https://elsewhere.example')).status).toBe(403);
  });
});
