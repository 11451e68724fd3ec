import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { describe } from '@jest/globals';
import { SecretValue } from '../../core/secret-value.ts';
import type { S3Config } from '../../platform/objects/s3-direct-uploads.ts';
import { createS3ObjectStore } from '../../platform/objects/s3-object-store.ts';
import { freePort } from '../../starter/ports.ts';
import { eventually } from './eventually.ts';
import { findVersityGw } from './versitygw.ts';

const BUCKET = 'bundles';
const ACCESS_KEY = 'test-access-key';
const SECRET_KEY = 'test-secret-key-that-must-not-show';

export interface VersityGw {
  config: S3Config;
  /** The same, as environment of a process. */
  environment: Record<string, string>;
  /** It stands still until it is killed. */
  freeze(): void;
  /** As a crash would. */
  kill(): Promise<void>;
  /** Again, with what it held. */
  restart(): Promise<void>;
  close(): Promise<void>;
}

/** One of its own, with a bucket, in a folder that `close` removes. */
export async function startVersityGw(binary: string): Promise<VersityGw> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'versitygw-'));
  const [data, sidecar] = [path.join(folder, 'data'), path.join(folder, 'metadata')];
  await mkdir(path.join(data, BUCKET), { recursive: true });
  await mkdir(sidecar);
  const port = await freePort();
  // The sidecar holds metadata where the file system of the machine has no extended attributes.
  const args = ['--quiet', '--port', `127.0.0.1:${port}`, 'posix', '--sidecar', sidecar, data];
  const launch = (): ChildProcess =>
    spawn(binary, args, {
      env: { ROOT_ACCESS_KEY: ACCESS_KEY, ROOT_SECRET_KEY: SECRET_KEY },
      stdio: 'ignore',
    });
  let server = launch();
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    const isRunning = server.exitCode === null && server.signalCode === null;
    if (isRunning && server.kill(signal)) await once(server, 'exit');
  };
  const config: S3Config = {
    endpoint: `http://127.0.0.1:${port}`,
    accessKey: ACCESS_KEY,
    secretKey: new SecretValue(SECRET_KEY),
    bucket: BUCKET,
    region: 'us-east-1',
    forcePathStyle: true,
  };
  const ready = (): Promise<unknown> => eventually(() => createS3ObjectStore(config).read('ready'));
  await ready();
  return {
    config,
    environment: {
      STORAGE_S3_ENDPOINT: config.endpoint,
      STORAGE_S3_ACCESS_KEY: ACCESS_KEY,
      STORAGE_S3_SECRET_KEY: SECRET_KEY,
      STORAGE_S3_BUCKET: BUCKET,
    },
    freeze: () => void server.kill('SIGSTOP'),
    kill: () => end('SIGKILL'),
    async restart() {
      server = launch();
      await ready();
    },
    async close() {
      await end('SIGKILL');
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** `describe` with the path of an S3 server. In CI a missing one is a failure; on a desk without Go it is said aloud and passed over. */
export async function describeWithVersityGw(what: string, suite: (binary: string) => void): Promise<void> {
  const binary = await findVersityGw(process.env);
  if (binary !== undefined) describe(what, () => suite(binary));
  else if (process.env['CI'] === undefined) {
    console.warn('SKIPPED: S3 is not tested, for there is neither VersityGW nor Go on this machine');
    describe.skip(what, () => suite(''));
  } else throw new Error('install Go or set VERSITYGW: S3 must be tested in CI');
}
