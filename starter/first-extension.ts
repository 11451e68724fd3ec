import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { z } from 'zod';
import { ApiError } from '../core/api/api-error.ts';
import type { ApiClient } from '../core/api/client.ts';
import { installExtension, listInstalls } from '../core/api/installs.ts';
import { finalizeUpload, initiateUpload, uploadProxy } from '../core/api/uploads.ts';
import { extensionAddress, publisherSlug } from '../core/ids.ts';
import { packFolder } from '../platform/bundle/pack-folder.ts';
import { whileAway } from './while-away.ts';

const FOLDER = path.resolve(import.meta.dirname, '..', 'examples', 'hello');
const BUILD = path.resolve(import.meta.dirname, '..', 'scripts', 'build-example.ts');
const WAIT = { wait: 60 };
const UNTRUSTED = ['SIGNATURE_INVALID', 'SIGNATURE_REVOKED'];

const manifest = z.object({ publisher: z.string(), name: z.string() });

/** The example as `publisher.name`. */
export async function exampleAddress(): Promise<string> {
  const { publisher, name } = manifest.parse(
    JSON.parse(await readFile(path.join(FOLDER, 'manifest.json'), 'utf8')),
  );
  return extensionAddress(publisherSlug(publisher), name);
}

/** The example's bundle, built unless it was built before. */
export async function packExample(cacheDir: string, log: (line: string) => void): Promise<Uint8Array> {
  const out = path.join(cacheDir, 'hello');
  // In a process of its own: what a toolchain takes, 700 MB, would stay with this one as long as it lives.
  const args = ['--disable-warning=ExperimentalWarning', BUILD, FOLDER, '--cache', cacheDir, '--out', out];
  const { stderr } = await promisify(execFile)(process.execPath, args);
  for (const line of stderr.split('\n').filter((said) => said !== '')) log(line);
  return packFolder(out);
}

/**
 * Publishes and installs the bundle like anybody would, over HTTP. What is done already is not done again. Answers false where signatures
 * are asked for: the bundle has none.
 */
export async function publishAndInstall(
  call: ApiClient,
  address: string,
  bundle: Uint8Array,
): Promise<boolean> {
  try {
    await publishOnce(call, bundle);
    await install(call, address);
    return true;
  } catch (err) {
    const { cause } = err as Error;
    if (cause instanceof ApiError && UNTRUSTED.includes(cause.code)) return false;
    throw err;
  }
}

async function publishOnce(call: ApiClient, bundle: Uint8Array): Promise<void> {
  await whileAway(() => publish(call, bundle), isServerAway).catch((err: unknown) => {
    const there = err instanceof ApiError && err.code === 'VERSION_EXISTS'; // published by an earlier start
    if (!there) throw failure('publishing the example', err);
  });
}

async function install(call: ApiClient, address: string): Promise<void> {
  const body = { extension: address, consent: 'all' as const };
  const installing = whileAway(() => call(installExtension, { body }, WAIT), isServerAway);
  const answer = await installing.catch((err: unknown) => {
    throw failure('installing the example', err);
  });
  if (answer.status === 202)
    throw new Error(`the example is still ${answer.body.status} after ${WAIT.wait} s`);
}

async function publish(call: ApiClient, bundle: Uint8Array): Promise<void> {
  const announced = {
    filename: 'hello.tar.zst',
    size: bundle.byteLength,
    sha256: createHash('sha256').update(bundle).digest('hex'),
    method: 'proxy' as const,
  };
  const { uploadId } = (await call(initiateUpload, { body: announced })).body;
  await call(uploadProxy, { query: { uploadId }, body: bundle });
  const finalize = () => call(finalizeUpload, { body: { uploadId } }, WAIT);
  while ((await finalize()).status === 202); // joins the publish that runs
}

/** Undefined if the example is not installed (any more). */
export async function findExample(
  call: ApiClient,
  address: string,
): Promise<{ address: string; page?: string } | undefined> {
  const { items } = (await call(listInstalls, { query: { limit: 200 } })).body;
  const found = items.find(({ extension, status }) => extension === address && status === 'active');
  return found && { address, ...(found.uiUrl !== undefined && { page: found.uiUrl }) };
}

/** No answer, or one that says that somebody behind the gateway gave none. */
function isServerAway(err: unknown): boolean {
  return !(err instanceof ApiError) || err.status >= 502;
}

function failure(what: string, err: unknown): Error {
  const why = err instanceof ApiError ? `${err.status} ${err.code}: ${err.message}` : String(err);
  return new Error(`${what} failed with ${why}`, { cause: err });
}
