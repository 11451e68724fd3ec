import { describe, expect, it } from '@jest/globals';
import { SecretValue } from '../../core/secret-value.ts';
import { freePort } from '../../starter/ports.ts';
import { createS3ObjectStore, type S3Config } from '../../platform/objects/s3-object-store.ts';

// With a server: s3-object-store.test.ts.

const configFor = (port: number): S3Config => ({
  endpoint: `http://127.0.0.1:${port}`,
  accessKey: 'test-access-key',
  secretKey: new SecretValue('test-secret-key'),
  bucket: 'bundles',
  region: 'us-east-1',
  forcePathStyle: true,
});

describe('createS3ObjectStore', () => {
  it('says that it is unavailable when nobody answers', async () => {
    const store = createS3ObjectStore(configFor(await freePort()));
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
