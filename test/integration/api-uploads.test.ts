import { createHash, randomBytes } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { PlatformError } from '../../core/errors.ts';
import { createUploadStore } from '../../platform/db/uploads.ts';
import { createFolderObjectStore } from '../../platform/objects/folder-object-store.ts';
import { createObjectKeys } from '../../platform/objects/keys.ts';
import { problem, startApi, type TestApi } from '../support/start-api.ts';
import { seedVersion } from '../support/seed.ts';

let api: TestApi;
let tenantId: string;
let key: string;
beforeAll(async () => {
  api = await startApi('api_uploads');
  ({ tenantId, key } = await api.tenant());
});
afterAll(() => api.close());
beforeEach(() => {
  api.workflows.fails = undefined;
  api.workflows.publishEnd = undefined;
});

const BYTES = new Uint8Array(randomBytes(300_000));
const SHA256 = createHash('sha256').update(BYTES).digest('hex');
const ZSTD = { 'content-type': 'application/zstd' };

async function initiate(overrides: Record<string, unknown> = {}): Promise<string> {
  const json = { filename: 'a.tar.zst', size: BYTES.byteLength, sha256: SHA256, ...overrides };
  const answer = await api.request('POST', '/api/ext-bundles/initiate-upload', { key, json });
  expect(answer).toMatchObject({ status: 201, json: { method: 'proxy' } });
  return String(answer.json['uploadId']);
}

const send = (uploadId: string, body = BYTES, headers: Record<string, string> = ZSTD, by = key) =>
  api.request('PUT', `/api/ext-bundles/upload-proxy?uploadId=${uploadId}`, { key: by, body, headers });
const finalize = (uploadId: string, headers: Record<string, string> = {}, by = key) =>
  api.request('POST', '/api/ext-bundles/finalize', { key: by, json: { uploadId }, headers });

async function uploaded(): Promise<string> {
  const uploadId = await initiate();
  expect(await send(uploadId)).toMatchObject({
    status: 200,
    json: { size: BYTES.byteLength, sha256: SHA256 },
  });
  return uploadId;
}

const stored = (uploadId: string): boolean =>
  readdirSync(api.objectsFolder, { recursive: true }).some((name) => String(name).endsWith(uploadId));

describe('an upload', () => {
  it('is a publish from its beginning, which knows until when it waits', async () => {
    const uploadId = await initiate();
    const begun = api.workflows.publishes.filter((input) => input.uploadId === uploadId);
    const row = await createUploadStore(api.db).find(tenantId, uploadId);
    const expiresAt = row?.expiresAt.toISOString();
    expect(begun).toEqual([{ tenantId, uploadId, requestedBy: row?.createdBy, expiresAt }]);
  });

  it('is not there if its publish cannot begin, and is if that is not known', async () => {
    const begin = () =>
      api.request('POST', '/api/ext-bundles/initiate-upload', { key, json: { filename: 'lost', size: 5 } });
    const lost = () => api.db('extension_upload').where({ filename: 'lost' });
    api.workflows.fails = new PlatformError('TEMPORAL_UNAVAILABLE', 'Temporal is away');
    expect(await begin()).toMatchObject(problem(503, 'TEMPORAL_UNAVAILABLE'));
    expect(await lost()).toEqual([]);
    api.workflows.fails = new PlatformError('TEMPORAL_OUTCOME_UNKNOWN', 'it may have begun');
    expect(await begin()).toMatchObject({ status: 201 });
    expect(await lost()).toHaveLength(1);
  });

  it('is stored under its tenant and user once the bytes are those announced', async () => {
    const uploadId = await uploaded();
    const objects = createFolderObjectStore({ folder: api.objectsFolder });
    const row = await createUploadStore(api.db).find(tenantId, uploadId);
    const requestedBy = row?.createdBy ?? '';
    const staged = createObjectKeys('sha256/').staging({ tenantId, uploadId, requestedBy });
    const object = await objects.read(staged);
    expect(object?.size).toBe(BYTES.byteLength);
    const route = `/api/ext-bundles/uploads/${uploadId}`;
    const { json } = await api.request('GET', route, { key });
    expect(json).toMatchObject({ receivedParts: [{ number: 1, size: BYTES.byteLength }], parts: [] });
  });

  it.each([
    ['too many bytes', { size: BYTES.byteLength - 1 }],
    ['too few bytes', { size: BYTES.byteLength + 1 }],
    ['other bytes', { sha256: '0'.repeat(64) }],
  ])('of %s is refused and leaves nothing', async (_case, announced) => {
    const uploadId = await initiate(announced);
    expect(await send(uploadId)).toMatchObject(problem(422, 'UPLOAD_MISMATCH'));
    expect(stored(uploadId)).toBe(false);
    expect(await finalize(uploadId)).toMatchObject(problem(409, 'UPLOAD_INCOMPLETE'));
  });

  it('whose connection ends early leaves nothing', async () => {
    const uploadId = await initiate();
    const request = httpRequest(`${api.url}/api/ext-bundles/upload-proxy?uploadId=${uploadId}`, {
      method: 'PUT',
      headers: { ...ZSTD, authorization: `Bearer ${key}`, 'content-length': BYTES.byteLength },
    });
    const ended = new Promise((resolve) => request.once('error', resolve).once('close', resolve));
    await new Promise((resolve) => request.write(BYTES.subarray(0, 1000), resolve));
    request.destroy();
    await ended;
    expect(await finalize(uploadId)).toMatchObject(problem(409, 'UPLOAD_INCOMPLETE'));
    expect(stored(uploadId)).toBe(false);
  });

  it('over 200 MiB is refused before a byte is read, announced or not', async () => {
    const size = 200 * 1024 * 1024 + 1;
    const json = { filename: 'a.tar.zst', size };
    expect(await api.request('POST', '/api/ext-bundles/initiate-upload', { key, json })).toMatchObject(
      problem(413, 'BODY_TOO_LARGE'),
    );
    const uploadId = await initiate();
    const status = await new Promise<number | undefined>((resolve, reject) => {
      const request = httpRequest(
        `${api.url}/api/ext-bundles/upload-proxy?uploadId=${uploadId}`,
        { method: 'PUT', headers: { ...ZSTD, authorization: `Bearer ${key}`, 'content-length': size } },
        (response) => {
          resolve(response.statusCode);
          request.destroy();
        },
      );
      request.once('error', reject).flushHeaders();
    });
    expect(status).toBe(413);
  });

  it('needs a type that a bundle has', async () => {
    const uploadId = await initiate();
    for (const headers of [{ 'content-type': 'text/plain' }, { ...ZSTD, 'content-encoding': 'gzip' }]) {
      expect(await send(uploadId, BYTES, headers)).toMatchObject(problem(415, 'MEDIA_TYPE_UNSUPPORTED'));
    }
  });

  it('is nobody else’s: 403 for another key of the tenant, 404 for another tenant', async () => {
    const uploadId = await uploaded();
    const sibling = await api.key(tenantId, ['extension:publish']);
    const { key: stranger } = await api.tenant();
    for (const [by, status, code] of [
      [sibling, 403, 'FORBIDDEN'],
      [stranger, 404, 'NOT_FOUND'],
    ] as const) {
      expect(await send(uploadId, BYTES, ZSTD, by)).toMatchObject(problem(status, code));
      expect(await finalize(uploadId, {}, by)).toMatchObject(problem(status, code));
      const abort = { key: by, json: { uploadId } };
      expect(await api.request('POST', '/api/ext-bundles/abort', abort)).toMatchObject(problem(status, code));
    }
    const foreign = await api.request('GET', `/api/v1/publishes/${uploadId}`, { key: stranger });
    expect(foreign).toMatchObject(problem(404, 'NOT_FOUND'));
  });

  it('that was aborted takes nothing more', async () => {
    const uploadId = await uploaded();
    const abort = () => api.request('POST', '/api/ext-bundles/abort', { key, json: { uploadId } });
    expect((await abort()).status).toBe(204);
    expect((await abort()).status).toBe(204);
    expect(await send(uploadId)).toMatchObject(problem(409, 'UPLOAD_CLOSED'));
    expect(await finalize(uploadId)).toMatchObject(problem(409, 'UPLOAD_CLOSED'));
  });

  it('cannot be aborted once it is being published', async () => {
    const uploadId = await uploaded();
    expect((await finalize(uploadId)).status).toBe(202);
    const abort = { key, json: { uploadId } };
    expect(await api.request('POST', '/api/ext-bundles/abort', abort)).toMatchObject(
      problem(409, 'UPLOAD_CLOSED'),
    );
  });

  it('by presigned URL is not to be had here', async () => {
    const json = { filename: 'a.tar.zst', size: 1, method: 'presigned' };
    expect(await api.request('POST', '/api/ext-bundles/initiate-upload', { key, json })).toMatchObject(
      problem(422, 'UPLOAD_METHOD_UNAVAILABLE'),
    );
    const { json: told } = await api.request('POST', '/api/ext-bundles/initiate-upload', { key, json });
    expect(told['detail']).toContain('begin the upload with "method": "proxy"');
  });

  it('comes as what it was announced to, if it was', async () => {
    const contentType = 'application/octet-stream';
    const uploadId = await initiate({ contentType });
    const refused = await send(uploadId);
    expect(refused).toMatchObject(problem(415, 'MEDIA_TYPE_UNSUPPORTED'));
    expect(refused.json['detail']).toContain(contentType);
    expect(stored(uploadId)).toBe(false);
    expect((await send(uploadId, BYTES, { 'content-type': contentType })).status).toBe(200);
  });
});

describe('finalize', () => {
  it('answers 202 with where to look, and starts one publish', async () => {
    const uploadId = await uploaded();
    const answer = await finalize(uploadId);
    const url = `/api/v1/publishes/${uploadId}`;
    expect(answer).toMatchObject({
      status: 202,
      json: { uploadId, status: 'verifying', url, workflowId: `publish:${uploadId}` },
    });
    expect(answer.headers.get('location')).toBe(url);
    expect(await api.request('GET', url, { key })).toMatchObject({
      status: 200,
      json: { uploadId, status: 'verifying', bytes: BYTES.byteLength },
    });
    expect(await send(uploadId)).toMatchObject(problem(409, 'UPLOAD_CLOSED'));
  });

  it('that waits answers 201 with the version, again and again', async () => {
    const uploadId = await uploaded();
    const version = await seedVersion(api.db, tenantId, { publisher: tenantId });
    api.workflows.publishEnd = { status: 'published', versionId: version.versionId };
    for (let n = 0; n < 2; n += 1) {
      const answer = await finalize(uploadId, { prefer: 'wait=5' });
      expect(answer).toMatchObject({
        status: 201,
        json: { versionId: version.versionId, version: '1.0.0', contentHash: version.contentHash },
      });
      expect(answer.headers.get('preference-applied')).toBe('wait=5');
    }
    expect(api.workflows.finalized.filter((input) => input.uploadId === uploadId).length).toBe(1);
  });

  it('that waits gives up after the time it was given', async () => {
    const answer = await finalize(await uploaded(), { prefer: 'wait=1' });
    expect(answer).toMatchObject({ status: 202, json: { status: 'verifying' } });
  });

  it.each([
    ['MANIFEST_INVALID', 422],
    ['PUBLISHER_NOT_YOURS', 403],
    ['VERSION_EXISTS', 409],
  ] as const)('of a bundle rejected with %s answers %i and the checks', async (code, status) => {
    const uploadId = await uploaded();
    api.workflows.publishEnd = { status: 'rejected', error: { code, message: 'because' } };
    const answer = await finalize(uploadId, { prefer: 'wait=5' });
    expect(answer).toMatchObject(problem(status, code));
    expect(answer.json['checks']).toEqual([{ name: 'sha256', result: 'passed', required: true }]);
  });

  it('says 503 while Temporal is away, and the upload stays as it was', async () => {
    const uploadId = await uploaded();
    api.workflows.fails = new PlatformError('TEMPORAL_UNAVAILABLE', 'Temporal is away');
    const answer = await finalize(uploadId);
    expect(answer).toMatchObject(problem(503, 'TEMPORAL_UNAVAILABLE'));
    expect(answer.headers.get('retry-after')).toBe('1');
    const { json } = await api.request('GET', `/api/v1/publishes/${uploadId}`, { key });
    expect(json['status']).toBe('uploading');
  });
});

describe('uploads of one key', () => {
  it('that come too fast are refused for a moment, and nobody else’s', async () => {
    const { tenantId: own, key: hasty } = await api.tenant();
    const patient = await api.key(own, ['extension:publish']);
    const uploadId = '00000000-0000-4000-8000-000000000000';
    const ask = (by: string) => api.request('GET', `/api/ext-bundles/uploads/${uploadId}`, { key: by });
    const json = { filename: 'a.tar.zst', size: 5 };
    const few = new Uint8Array(5);
    for (const request of [
      () => ask(hasty),
      () => send(uploadId, few, ZSTD, hasty),
      () => api.request('POST', '/api/ext-bundles/initiate-upload', { key: hasty, json }),
    ]) {
      let last = await request();
      for (let n = 0; last.status !== 429 && n < 2_000; n += 1) last = await request();
      expect(last).toMatchObject(problem(429, 'RATE_LIMITED'));
      expect(last.headers.get('retry-after')).toBe('1');
    }
    expect(await ask(patient)).toMatchObject({ status: 404 });
  });
});
