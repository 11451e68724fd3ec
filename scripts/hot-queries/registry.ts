import { randomBytes, randomUUID } from 'node:crypto';
import { parseManifest } from '../../core/manifest/manifest.ts';
import { TENANT_QUOTAS } from '../../core/quotas.ts';
import { createApiKeyStore } from '../../platform/db/api-keys.ts';
import { createArtifactStore } from '../../platform/db/artifacts.ts';
import { createRegistryStore } from '../../platform/db/registry.ts';
import { createTenantStore } from '../../platform/db/tenants.ts';
import { createUploadStore } from '../../platform/db/uploads.ts';
import { busy, everywhere, hashOf, HOUR_MS, idOf, pages, usual, type HotQuery } from './hot-query.ts';

const { extensionId } = everywhere;
const steps = [{ name: 'verify' as const, status: 'done' as const, attempts: 1 }];
/** How many versions extension 0 has. */
const VERSIONS = 300;

const manifest = parseManifest(
  JSON.stringify({
    name: 'extension-0',
    publisher: 'Filler',
    version: '9.0.0',
    displayName: 'Filler',
    runtime: 'wasm-js@1',
  }),
);

export function registryQueries(): HotQuery[] {
  return [
    { name: 'extension: by id', rows: 2, run: (db) => createRegistryStore(db).findExtension(extensionId) },
    {
      name: 'extension: by name',
      rows: 2,
      run: (db) => createRegistryStore(db).findExtension('filler.extension-7'),
    },
    ...pages('extensions', 2, (db, page) => createRegistryStore(db).listExtensions(page)),
    ...pages('versions of an extension', 2, (db, page) =>
      createRegistryStore(db).listVersions(extensionId, page),
    ),
    {
      name: 'version: numbers to choose from',
      rows: VERSIONS,
      run: (db) => createRegistryStore(db).publishedVersions(extensionId),
    },
    {
      name: 'version: by number',
      rows: 2,
      run: (db) => createRegistryStore(db).findVersion(extensionId, '1.0.3'),
    },
    {
      name: 'version: by id',
      rows: 2,
      run: (db) => createRegistryStore(db).findVersionById(everywhere.versionId),
    },
    {
      name: 'publish: may this version be published',
      rows: 3,
      run: (db) => createRegistryStore(db).checkPublishable(busy.tenantId, manifest),
    },
    {
      name: 'publish: under a new name',
      rows: 1,
      run: (db) =>
        createRegistryStore(db).checkPublishable(busy.tenantId, { ...manifest, publisher: 'Somebody New' }),
    },
    {
      name: 'publish: register',
      rows: VERSIONS + 10,
      run: (db) =>
        createRegistryStore(db).register({
          tenantId: busy.tenantId,
          uploadId: randomUUID(),
          contentHash: hashOf(randomUUID()),
          sizeBytes: 1,
          manifest,
          checks: [],
          trust: { revision: 1, policy: 'optional', keyIds: [] },
          artifact: { target: 'filler', sha256: '0'.repeat(64), sizeBytes: 1 },
        }),
    },
    {
      name: 'artifact: who published the bundle',
      rows: 3,
      run: (db) => createArtifactStore(db).publisherOf(hashOf('bundle-0-0')),
    },
    {
      name: 'artifact: record',
      rows: 2,
      run: (db) =>
        createArtifactStore(db).record(hashOf('bundle-0-0'), {
          target: 'next',
          sha256: '0'.repeat(64),
          sizeBytes: 1,
        }),
    },
    {
      name: 'artifacts to make anew, ten of them',
      rows: 10,
      owes: 'one pass for all pages: each goes through every live bundle',
      run: (db) =>
        createArtifactStore(db).listOutdated({ target: 'next', keyId: 'sha256:next' }, { limit: 10 }),
    },
    {
      name: 'upload: by id',
      rows: 1,
      run: (db) => createUploadStore(db).find(usual.tenantId, idOf('upload-3')),
    },
    {
      name: 'upload: from first byte to end, counted against its quota',
      rows: 13,
      async run(db) {
        const uploads = createUploadStore(db);
        const uploadId = randomUUID();
        const { tenantId } = usual;
        const expiresAt = new Date(Date.now() + HOUR_MS);
        await uploads.create(tenantId, {
          uploadId,
          createdBy: 'explain',
          filename: 'b',
          announcedSize: 1,
          expiresAt,
        });
        await uploads.markReceived(tenantId, uploadId, { size: 1, sha256: '0'.repeat(64) });
        await uploads.open(tenantId, uploadId);
        await uploads.claim(tenantId, uploadId, hashOf('bundle-0-0'));
        await uploads.saveProgress(tenantId, uploadId, { status: 'registering', steps, checks: [] });
        await uploads.end(tenantId, uploadId, {
          status: 'published',
          versionId: everywhere.versionId,
          steps,
          checks: [],
        });
      },
    },
    {
      name: 'upload: discard',
      rows: 1,
      run: (db) => createUploadStore(db).discard(usual.tenantId, idOf('upload-3')),
    },
    {
      name: 'upload: abort',
      rows: 1,
      run: (db) => createUploadStore(db).abort(usual.tenantId, idOf('upload-3')),
    },
  ];
}

export function accessQueries(): HotQuery[] {
  const keyId = idOf('key-3-1').replaceAll('-', '').slice(0, 16);
  return [
    { name: 'key: authenticate', rows: 1, run: (db) => createApiKeyStore(db).findByKeyId(keyId) },
    {
      name: 'key: create, counted against its quota',
      rows: TENANT_QUOTAS.apiKeys + 1,
      run: (db) =>
        createApiKeyStore(db).create(usual.tenantId, {
          keyId: randomBytes(8).toString('hex'),
          name: 'explain',
          digest: randomBytes(32),
          permissions: ['extension:read'],
          createdBy: 'explain',
        }),
    },
    {
      name: 'key: revoke',
      rows: 1,
      run: (db) => createApiKeyStore(db).revoke(busy.tenantId, idOf('key-0-7')),
    },
    {
      name: 'key: revoke with what was made with it',
      rows: 2, // found, then changed
      run: (db) => createApiKeyStore(db).revokeFamily(busy.tenantId, idOf('key-0-8'), 'everywhere'),
    },
    ...pages('keys of a tenant', 1, (db, page) => createApiKeyStore(db).list(busy.tenantId, page)),
    { name: 'tenant: by id', rows: 1, run: (db) => createTenantStore(db).find(usual.tenantId) },
    {
      name: 'tenant: capabilities that are switched off',
      rows: 3,
      async run(db) {
        await createTenantStore(db).switchCapabilitiesOff(usual.tenantId, ['http.fetch']);
        await createTenantStore(db).capabilitiesOff(usual.tenantId);
      },
    },
    ...pages('tenants', 1, (db, page) => createTenantStore(db).list(page)),
  ];
}
