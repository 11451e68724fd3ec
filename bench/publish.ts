import { ApiError } from '../core/api/api-error.ts';
import { finalizeUpload, initiateUpload, uploadProxy } from '../core/api/uploads.ts';
import { packTarZst } from '../platform/bundle/pack.ts';
import type { LocalPlatform } from './local-platform.ts';
import { clientOf } from './tenants.ts';

const WAIT = { wait: 60 };

/** Publishes what a bundle holds; a version that an earlier run has published stays. */
export async function publish(
  local: LocalPlatform,
  files: { path: string; bytes: Uint8Array }[],
): Promise<void> {
  const bundle = await packTarZst(files);
  const call = clientOf(local, local.keys.admin);
  const announced = { filename: 'bundle.tar.zst', size: bundle.byteLength, method: 'proxy' as const };
  const { uploadId } = (await call(initiateUpload, { body: announced })).body;
  await call(uploadProxy, { query: { uploadId }, body: bundle });
  try {
    while ((await call(finalizeUpload, { body: { uploadId } }, WAIT)).status === 202);
  } catch (err) {
    if (!(err instanceof ApiError) || err.code !== 'VERSION_EXISTS') throw err;
  }
}
