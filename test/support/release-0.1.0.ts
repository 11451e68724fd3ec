import { createHash, randomUUID } from 'node:crypto';
import type { Knex } from 'knex';
import { seedManifest } from './seed.ts';

/** Names of the rows that `fillAsRelease010` writes. */
export interface Release010 {
  tenantId: string;
  keyId: string;
  extensionId: string;
  versionId: string;
  contentHash: string;
  uploadId: string;
  /** An active install, one that failed and one that waits for consent, of an extension each. */
  installs: { active: string; failed: string; waiting: string };
  draftId: string;
  executions: { succeeded: string; failed: string; running: string };
}

/** Rows in every table of the schema of release 0.1.0, its first four migrations, as that release wrote them. */
export async function fillAsRelease010(db: Knex): Promise<Release010> {
  const tenantId = randomUUID();
  await db('tenant').insert({ tenant_id: tenantId, name: 'Old tenant' });
  const keyId = '0123456789abcdef';
  await db('api_key').insert({
    key_id: keyId,
    id: randomUUID(),
    tenant_id: tenantId,
    name: 'old key',
    digest: createHash('sha256').update('secret').digest(),
    permissions: ['extension:read'],
    created_by: 'starter',
  });
  await db('extension_publisher').insert({ slug: 'acme-tools', name: 'Acme Tools', tenant_id: tenantId });
  await db('extension_publisher').insert({ slug: 'acmetools', name: 'Acmetools', tenant_id: tenantId });
  const [sample, other, third] = [
    await publish(db, tenantId, 'sample'),
    await publish(db, tenantId, 'other'),
    await publish(db, tenantId, 'third'),
  ];
  const installs = {
    active: await install(db, tenantId, sample, { status: 'active', active_version_id: sample.versionId }),
    failed: await install(db, tenantId, other, {
      status: 'failed',
      error: JSON.stringify({ code: 'HEALTH_CHECK_FAILED', message: 'it answered 500' }),
    }),
    waiting: await install(db, tenantId, third, { status: 'awaiting-consent' }),
  };
  const own = { tenant_id: tenantId, install_id: installs.active };
  await db('tenant_extension_install_config').insert({ ...own, config: '{"greeting":"hello"}', version: 3 });
  await db('tenant_extension_install_secrets').insert({
    ...own,
    name: 'TOKEN',
    sealed: 'sealed',
    key_id: 'key',
  });
  await db('tenant_extension_grant').insert({
    ...own,
    capability: 'storage.kv',
    scope: '{"namespaces":["notes"]}',
    granted_by: 'admin',
  });
  await db('extension_storage_record').insert({
    ...own,
    namespace: 'notes',
    key: 'one',
    value: Buffer.from('kept'),
    revision: 7,
  });
  const draftId = randomUUID();
  await db('install_draft').insert({
    ...own,
    draft_id: draftId,
    config: '{}',
    expires_at: new Date(Date.now() + 3_600_000),
  });
  const log = (fields: object): Promise<string> => execution(db, sample, { ...own, ...fields });
  const executions = {
    succeeded: await log({ status: 'succeeded', http_status: 200, duration_ms: 3 }),
    failed: await log({ status: 'failed', error_code: 'GUEST_TRAPPED', http_status: 502, duration_ms: 4 }),
    running: await log({}),
  };
  return { tenantId, keyId, ...sample, installs, draftId, executions };
}

interface Published {
  extensionId: string;
  versionId: string;
  contentHash: string;
  uploadId: string;
}

async function publish(db: Knex, tenantId: string, name: string): Promise<Published> {
  const [extensionId, versionId, uploadId] = [randomUUID(), randomUUID(), randomUUID()];
  const contentHash = `sha256:${createHash('sha256').update(name).digest('hex')}`;
  await db('extension_registry').insert({
    extension_id: extensionId,
    publisher_slug: 'acme-tools',
    name,
    display_name: name,
  });
  await db('extension_bundle').insert({ content_hash: contentHash, size_bytes: 10 });
  await db('extension_artifact').insert({
    content_hash: contentHash,
    target: 'jco-old',
    sha256: 'a'.repeat(64),
    size_bytes: 20,
  });
  await db('extension_version').insert({
    version_id: versionId,
    extension_id: extensionId,
    version: '1.0.0',
    content_hash: contentHash,
    manifest: JSON.stringify(seedManifest({ name })),
    checks: '[]',
    upload_id: uploadId,
  });
  await db('extension_api_endpoint').insert({
    version_id: versionId,
    position: 0,
    method: 'GET',
    path: '/notes/:id',
    handler: 'read',
    permission: 'extension:read',
    schedulable: false,
  });
  await db('extension_upload').insert({
    tenant_id: tenantId,
    upload_id: uploadId,
    created_by: 'old key',
    filename: `${name}.tar.zst`,
    announced_size: 10,
    received_size: 10,
    received_sha256: 'b'.repeat(64),
    status: 'published',
    version_id: versionId,
    expires_at: new Date(Date.now() + 3_600_000),
  });
  return { extensionId, versionId, contentHash, uploadId };
}

async function install(
  db: Knex,
  tenantId: string,
  { extensionId, versionId }: Published,
  fields: object,
): Promise<string> {
  const installId = randomUUID();
  await db('tenant_extension_install').insert({
    tenant_id: tenantId,
    install_id: installId,
    extension_id: extensionId,
    target_version_id: versionId,
    ...fields,
  });
  return installId;
}

async function execution(
  db: Knex,
  { extensionId, versionId, contentHash }: Published,
  fields: object,
): Promise<string> {
  const executionId = randomUUID();
  await db('extension_execution_log').insert({
    execution_id: executionId,
    extension_id: extensionId,
    version_id: versionId,
    content_hash: contentHash,
    request_id: 'old-request',
    trigger: 'http',
    method: 'GET',
    path: '/notes/1',
    principal: 'key',
    request_bytes: 0,
    ...fields,
  });
  return executionId;
}
