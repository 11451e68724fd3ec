import { createHash } from 'node:crypto';
import { createApiKey } from '../../core/api/api-keys.ts';
import { installExtension } from '../../core/api/installs.ts';
import { createTenant as createTenantRoute } from '../../core/api/tenants.ts';
import { initiateUpload, uploadProxy } from '../../core/api/uploads.ts';
import { PERMISSIONS } from '../../core/permissions.ts';
import { packTarZst } from '../../platform/bundle/pack.ts';
import type { GuestEngine } from '../../scripts/componentize.ts';
import { buildComponent, type ExampleName } from './components.ts';
import type { Answer, TestPlatform } from './platform.ts';

const WAIT = { prefer: 'wait=60' };

/**
 * The bundle of an extension of ours, its manifest changed as given: another name or version makes it another one. Of QuickJS, which is
 * published in a second where StarlingMonkey takes ten.
 */
export async function bundleOf(
  name: ExampleName,
  changes: Record<string, unknown> = {},
  engine: GuestEngine = 'quickjs',
): Promise<Uint8Array> {
  const { files } = await buildComponent(name, { engine });
  const changed = files.map(({ path, bytes }) => {
    if (path !== 'manifest.json') return { path, bytes };
    const manifest = JSON.parse(Buffer.from(bytes).toString()) as Record<string, unknown>;
    return { path, bytes: Buffer.from(JSON.stringify({ ...manifest, ...changes })) };
  });
  return packTarZst(changed);
}

/** Opens an upload and sends the bytes; answers its id, ready to finalize. */
export async function upload(platform: TestPlatform, key: string, bundle: Uint8Array): Promise<string> {
  const call = platform.as(key);
  const sha256 = createHash('sha256').update(bundle).digest('hex');
  const announced = { filename: 'bundle.tar.zst', size: bundle.byteLength, sha256 };
  const { uploadId } = (await call(initiateUpload, { body: announced })).body;
  await call(uploadProxy, { query: { uploadId }, body: bundle });
  return uploadId;
}

/** Uploads and finalizes; answers what finalize answered at its end. */
export async function publish(platform: TestPlatform, key: string, bundle: Uint8Array): Promise<Answer> {
  const uploadId = await upload(platform, key, bundle);
  return platform.request('POST', '/api/ext-bundles/finalize', { key, json: { uploadId }, headers: WAIT });
}

export async function install(
  platform: TestPlatform,
  key: string,
  body: Record<string, unknown>,
): Promise<Answer> {
  const json = { consent: 'all', ...body };
  return platform.request('POST', '/api/v1/extensions/install', { key, json, headers: WAIT });
}

export async function publishAndInstall(
  platform: TestPlatform,
  bundle: Uint8Array,
  body: Record<string, unknown>,
): Promise<{ installId: string; extensionId: string }> {
  const { admin } = platform.local.keys;
  expectStatus(await publish(platform, admin, bundle), 201);
  const installed = await install(platform, admin, body);
  expectStatus(installed, 201);
  return installExtension.answers[201].parse(installed.json);
}

/** A tenant of its own with a key that may do everything in it. */
export async function createTenant(
  platform: TestPlatform,
  name: string,
): Promise<{ tenantId: string; key: string }> {
  const call = platform.as(platform.local.keys.operator);
  const { tenantId } = (await call(createTenantRoute, { body: { name } })).body;
  const permissions = PERMISSIONS.filter((permission) => permission !== 'platform:operate');
  const made = await call(createApiKey, { body: { name: `${name} admin`, tenantId, permissions } });
  return { tenantId, key: made.body.key };
}

/** For what a test needs and does not test: says what came instead. */
export function expectStatus(answer: Answer, status: number): void {
  if (answer.status !== status) {
    throw new Error(`expected ${status}, got ${answer.status}: ${answer.text.slice(0, 2_000)}`);
  }
}
