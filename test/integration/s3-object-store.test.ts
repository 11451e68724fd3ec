import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { SecretValue } from '../../core/secret-value.ts';
import { createS3ObjectStore } from '../../platform/objects/s3-object-store.ts';
import type { S3Config } from '../../platform/objects/s3-object-store.ts';
import { freePort } from '../../starter/ports.ts';
import { describeObjectStore } from '../conformance/object-store-conformance.ts';
import { eventually } from '../support/eventually.ts';
import { findVersityGw } from '../support/versitygw.ts';

const BUCKET = 'bundles';
const ACCESS_KEY = 'test-access-key';
const SECRET_KEY = 'test-secret-key-that-must-not-show';

// In CI a missing S3 is a failure; on a desk without Go it is said aloud and passed over.
const binary = await findVersityGw(process.env);
if (binary === undefined && process.env['CI'] === undefined) {
  console.warn(
    'SKIPPED: the S3 object store is not tested, for there is neither VersityGW nor Go on this machine',
  );
}
const describeS3 = binary === undefined && process.env['CI'] === undefined ? describe.skip : describe;

function configFor(port: number): S3Config {
  return {
    endpoint: `http://127.0.0.1:${port}`,
    accessKey: ACCESS_KEY,
    secretKey: new SecretValue(SECRET_KEY),
    bucket: BUCKET,
    region: 'us-east-1',
    forcePathStyle: true,
  };
}

describeS3('S3, as VersityGW serves it', () => {
  let folder: string;
  let port: number;
  let gateway: ChildProcess;

  beforeAll(async () => {
    if (binary === undefined)
      throw new Error('install Go or set VERSITYGW: the S3 object store must be tested in CI');
    folder = await mkdtemp(path.join(os.tmpdir(), 'versitygw-'));
    const [data, sidecar] = [path.join(folder, 'data'), path.join(folder, 'metadata')];
    await mkdir(path.join(data, BUCKET), { recursive: true });
    await mkdir(sidecar);
    port = await freePort();
    // The sidecar holds metadata where the file system of the machine has no extended attributes.
    gateway = spawn(binary, ['--quiet', '--port', `127.0.0.1:${port}`, 'posix', '--sidecar', sidecar, data], {
      env: { ROOT_ACCESS_KEY: ACCESS_KEY, ROOT_SECRET_KEY: SECRET_KEY },
      stdio: 'ignore',
    });
    await eventually(() => createS3ObjectStore(configFor(port)).read('ready'));
  });

  afterAll(async () => {
    if (gateway.exitCode === null && gateway.kill('SIGTERM')) await once(gateway, 'exit');
    await rm(folder, { recursive: true, force: true });
  });

  describeObjectStore('S3', () => Promise.resolve(createS3ObjectStore(configFor(port))));

  it('says that it is unavailable when the bucket is not there, rather than that objects are not', async () => {
    const store = createS3ObjectStore({ ...configFor(port), bucket: 'no-such-bucket' });
    await expect(store.read('a')).rejects.toMatchObject({ code: 'OBJECT_STORE_UNAVAILABLE' });
    await expect(store.put('a', new Uint8Array(1))).rejects.toMatchObject({
      code: 'OBJECT_STORE_UNAVAILABLE',
    });
  });

  it('tells no credential when they are wrong', async () => {
    const secretKey = new SecretValue('wrong-secret-key');
    const store = createS3ObjectStore({ ...configFor(port), secretKey });
    const err: unknown = await store.read('a').catch((reason: unknown) => reason);
    expect(err).toMatchObject({ code: 'OBJECT_STORE_UNAVAILABLE' });
    expect(String(err)).toContain(BUCKET);
    for (const text of [String(err), JSON.stringify(err), store.describe()]) {
      expect(text).not.toContain('wrong-secret-key');
      expect(text).not.toContain(ACCESS_KEY);
    }
  });
});
