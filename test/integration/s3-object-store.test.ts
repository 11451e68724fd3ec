import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { SecretValue } from '../../core/secret-value.ts';
import { createS3ObjectStore } from '../../platform/objects/s3-object-store.ts';
import { freePort } from '../../starter/ports.ts';
import { describeDirectUploads } from '../conformance/direct-uploads-conformance.ts';
import { describeObjectStore } from '../conformance/object-store-conformance.ts';
import { forwardTcp } from '../support/forward-tcp.ts';
import { describeWithVersityGw, startVersityGw, type VersityGw } from '../support/start-versitygw.ts';

await describeWithVersityGw('S3, as VersityGW serves it', (binary) => {
  let server: VersityGw;
  beforeAll(async () => {
    server = await startVersityGw(binary);
  });
  afterAll(() => server.close());

  describeObjectStore('S3', () => Promise.resolve(createS3ObjectStore(server.config)));

  describeDirectUploads('S3', () => createS3ObjectStore(server.config));

  it('takes bytes at the address that publishers know, where it has one of its own for them', async () => {
    const forward = await forwardTcp(Number(new URL(server.config.endpoint).port));
    try {
      const publicEndpoint = `http://localhost:${forward.port}`;
      const store = createS3ObjectStore({ ...server.config, publicEndpoint });
      const options = { size: 3, expiresInSeconds: 60 };
      const contentType = 'application/zstd';
      const single = await store.direct?.presignPut('public/single', { ...options, contentType });
      const begun = await store.direct?.beginParts('public/parts', { contentType });
      const part = await store.direct?.presignPart('public/parts', begun ?? '', { ...options, number: 1 });
      for (const [at, { url, headers } = { url: '', headers: {} }] of [single, part].entries()) {
        expect(new URL(url).origin).toBe(publicEndpoint);
        const sent = await fetch(url, { method: 'PUT', headers, body: 'abc' });
        expect([sent.status, forward.connections()]).toEqual([200, at + 1]);
      }
      expect(await store.direct?.sizeOf('public/single')).toBe(3);
    } finally {
      await forward.close();
    }
  });

  it('says that it is unavailable when the bucket is not there, rather than that objects are not', async () => {
    const store = createS3ObjectStore({ ...server.config, bucket: 'no-such-bucket' });
    await expect(store.read('a')).rejects.toMatchObject({ code: 'OBJECT_STORE_UNAVAILABLE' });
    await expect(store.put('a', new Uint8Array(1))).rejects.toMatchObject({
      code: 'OBJECT_STORE_UNAVAILABLE',
    });
  });

  it('tells no credential when they are wrong', async () => {
    const secretKey = new SecretValue('wrong-secret-key');
    const store = createS3ObjectStore({ ...server.config, secretKey });
    const err: unknown = await store.read('a').catch((reason: unknown) => reason);
    expect(err).toMatchObject({ code: 'OBJECT_STORE_UNAVAILABLE' });
    expect(String(err)).toContain(server.config.bucket);
    for (const text of [String(err), JSON.stringify(err), store.describe()]) {
      expect(text).not.toContain('wrong-secret-key');
      expect(text).not.toContain(server.config.accessKey);
    }
  });
});

describe('createS3ObjectStore', () => {
  it('says that it is unavailable when nobody answers', async () => {
    const store = createS3ObjectStore({
      ...{ endpoint: `http://127.0.0.1:${await freePort()}`, region: 'us-east-1', bucket: 'bundles' },
      ...{ accessKey: 'any', secretKey: new SecretValue('any'), forcePathStyle: true },
    });
    await expect(store.read('a')).rejects.toMatchObject({
      code: 'OBJECT_STORE_UNAVAILABLE',
      retryable: true,
    });
    await expect(store.put('a', new Uint8Array(1))).rejects.toMatchObject({
      code: 'OBJECT_STORE_UNAVAILABLE',
    });
    await expect(store.remove('a')).rejects.toMatchObject({ code: 'OBJECT_STORE_UNAVAILABLE' });
  });
});
