import { randomUUID, randomUUIDv7 } from 'node:crypto';
import type { Knex } from 'knex';
import { parseManifest } from '../../core/manifest/manifest.ts';
import type { Manifest } from '../../core/manifest/manifest.ts';
import { createExecutionStore, type NewExecution } from '../../platform/db/executions.ts';
import type { OpenInstall } from '../../platform/db/install-operations.ts';
import { createRegistryStore, type Registration } from '../../platform/db/registry.ts';
import { createTrustStore } from '../../platform/db/trust.ts';
import { createUploadStore } from '../../platform/db/uploads.ts';

/** A tenant row; answers its id. */
export async function seedTenant(db: Knex, name = 'Tenant'): Promise<string> {
  const tenantId = randomUUID();
  await db('tenant').insert({ tenant_id: tenantId, name });
  return tenantId;
}

/** A small valid manifest; `overrides` replace top-level fields. */
export function seedManifest(overrides: Record<string, unknown> = {}): Manifest {
  return parseManifest(
    JSON.stringify({
      name: 'sample',
      publisher: 'Acme Tools',
      version: '1.0.0',
      displayName: 'Sample',
      runtime: 'wasm-js@1',
      capabilities: [{ name: 'storage.kv', scope: { namespaces: ['notes'] } }],
      api: {
        endpoints: [
          { method: 'GET', path: '/notes/:id', handler: 'read', permission: 'extension:read' },
          { method: 'POST', path: '/notes', handler: 'write', permission: 'extension:write' },
        ],
      },
      ...overrides,
    }),
  );
}

/** What an install of the version opens with. */
export function openInput(ids: Pick<OpenInstall, 'installId' | 'extensionId' | 'versionId'>): OpenInstall {
  const operation = {
    kind: 'install',
    workflowId: 'install:test',
    runId: 'run',
    startedAt: new Date().toISOString(),
  } as const;
  return { ...ids, digest: 'digest', operation, steps: [] };
}

export function registrationOf(
  tenantId: string,
  manifest: Manifest,
  overrides: Partial<Registration> = {},
): Registration {
  return {
    tenantId,
    uploadId: randomUUID(),
    contentHash: `sha256:${randomUUID().replaceAll('-', '').padEnd(64, '0')}`,
    sizeBytes: 1024,
    manifest,
    checks: [{ name: 'manifest', result: 'passed', required: true }],
    artifact: { target: 'jco-test', sha256: 'a'.repeat(64), sizeBytes: 2048 },
    trust: { revision: 1, policy: 'optional', keyIds: [] },
    ...overrides,
  };
}

/** An upload whose bytes have not arrived. */
export async function seedUpload(
  db: Knex,
  {
    tenantId,
    uploadId,
    requestedBy = 'key:publisher',
  }: { tenantId: string; uploadId: string; requestedBy?: string },
  announcedSize: number,
): Promise<void> {
  await createUploadStore(db).create(tenantId, {
    uploadId,
    createdBy: requestedBy,
    filename: 'bundle.tar.zst',
    announcedSize,
    expiresAt: new Date(Date.now() + 3_600_000),
  });
}

/** A published version of the sample extension. */
export async function seedVersion(
  db: Knex,
  tenantId: string,
  overrides: Record<string, unknown> = {},
): Promise<{
  extensionId: string;
  versionId: string;
  version: string;
  contentHash: string;
  manifest: Manifest;
}> {
  const manifest = seedManifest(overrides);
  const { revision } = await createTrustStore(db, undefined).current();
  const trust = { revision, policy: 'optional', keyIds: [] } as const;
  const registration = registrationOf(tenantId, manifest, { trust });
  const registered = await createRegistryStore(db).register(registration);
  return { ...registered, contentHash: registration.contentHash, manifest };
}

/** An execution of an install that is in flight; answers its id. */
export async function seedExecution(
  db: Knex,
  tenantId: string,
  install: Pick<NewExecution, 'installId' | 'extensionId' | 'versionId'>,
): Promise<string> {
  const { installId, extensionId, versionId } = install;
  const executionId = randomUUIDv7();
  await createExecutionStore(db).begin(tenantId, {
    executionId,
    installId,
    extensionId,
    versionId,
    contentHash: 'sha256:seed',
    requestId: 'r',
    trigger: 'http',
    method: 'GET',
    path: '/',
    principal: 'test',
    requestBytes: 0,
  });
  return executionId;
}
