import { createHash } from 'node:crypto';
import { z } from 'zod';
import { packTarZst } from '../../platform/bundle/pack.ts';
import { buildComponent, type ExampleName } from './components.ts';
import type { Answer, TestPlatform } from './platform.ts';

const WAIT = { prefer: 'wait=60' };

/** The bundle of an extension of ours, its manifest changed as given: another name or version makes it another one. */
export async function bundleOf(
  name: ExampleName,
  changes: Record<string, unknown> = {},
): Promise<Uint8Array> {
  const { files } = await buildComponent(name);
  const changed = files.map(({ path, bytes }) => {
    if (path !== 'manifest.json') return { path, bytes };
    const manifest = JSON.parse(Buffer.from(bytes).toString()) as Record<string, unknown>;
    return { path, bytes: Buffer.from(JSON.stringify({ ...manifest, ...changes })) };
  });
  return packTarZst(changed);
}

/** Opens an upload and sends the bytes; answers its id, ready to finalize. */
export async function upload(platform: TestPlatform, key: string, bundle: Uint8Array): Promise<string> {
  const opened = await platform.request('POST', '/api/ext-bundles/initiate-upload', {
    key,
    json: {
      filename: 'bundle.tar.zst',
      size: bundle.byteLength,
      sha256: createHash('sha256').update(bundle).digest('hex'),
      method: 'proxy',
    },
  });
  expectStatus(opened, 201);
  const { uploadId } = z.object({ uploadId: z.string() }).parse(opened.json);
  const put = await platform.request('PUT', `/api/ext-bundles/upload-proxy?uploadId=${uploadId}`, {
    key,
    bytes: bundle,
    headers: { 'content-type': 'application/zstd' },
  });
  expectStatus(put, 200);
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
  return z.object({ installId: z.uuid(), extensionId: z.uuid() }).parse(installed.json);
}

/** A tenant of its own with a key that may do everything in it. */
export async function createTenant(
  platform: TestPlatform,
  name: string,
): Promise<{ tenantId: string; key: string }> {
  const { operator } = platform.local.keys;
  const tenant = await platform.request('POST', '/api/v1/tenants', { key: operator, json: { name } });
  expectStatus(tenant, 201);
  const { tenantId } = z.object({ tenantId: z.uuid() }).parse(tenant.json);
  const permissions = ['extension:read', 'extension:write', 'extension:install', 'extension:publish'];
  const made = await platform.request('POST', '/api/v1/api-keys', {
    key: operator,
    json: { name: `${name} admin`, tenantId, permissions: [...permissions, 'tenant:admin'] },
  });
  expectStatus(made, 201);
  return { tenantId, key: z.object({ key: z.string() }).parse(made.json).key };
}

/** For what a test needs and does not test: says what came instead. */
export function expectStatus(answer: Answer, status: number): void {
  if (answer.status !== status) {
    throw new Error(`expected ${status}, got ${answer.status}: ${answer.text.slice(0, 2_000)}`);
  }
}
