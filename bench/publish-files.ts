import { ApiError } from '../core/api/api-error.ts';
import type { ApiClient } from '../core/api/client.ts';
import { finalizeUpload, initiateUpload, uploadProxy } from '../core/api/uploads.ts';
import { packTarZst } from '../platform/bundle/pack.ts';
import type { LocalPlatform } from './local-platform.ts';
import { clientOf } from './tenants.ts';

const WAIT = { wait: 60 };

export interface BundleFile {
  path: string;
  bytes: Uint8Array;
}

/** Publishes what a bundle holds; a version that an earlier run has published stays. */
export async function publish(local: LocalPlatform, files: BundleFile[]): Promise<void> {
  const call = clientOf(local, local.keys.admin);
  const uploadId = await upload(call, await packTarZst(files));
  try {
    await finish(call, uploadId);
  } catch (err) {
    if (!(err instanceof ApiError) || err.code !== 'VERSION_EXISTS') throw err;
  }
}

/** Puts the bytes of a bundle into staging. */
export async function upload(call: ApiClient, bundle: Uint8Array): Promise<string> {
  const announced = { filename: 'bundle.tar.zst', size: bundle.byteLength, method: 'proxy' as const };
  const { uploadId } = (await call(initiateUpload, { body: announced })).body;
  await call(uploadProxy, { query: { uploadId }, body: bundle });
  return uploadId;
}

/** The version that the upload became. Throws if it became none. */
export async function finish(call: ApiClient, uploadId: string): Promise<string> {
  for (;;) {
    const answer = await call(finalizeUpload, { body: { uploadId } }, WAIT);
    if (answer.status === 201) return answer.body.version;
  }
}
