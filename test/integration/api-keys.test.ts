import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createApiKeyStore, type ApiKeyStore } from '../../platform/db/api-keys.ts';
import { createTenantStore } from '../../platform/db/tenants.ts';
import { generateApiKey } from '../../platform/tokens/api-key.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { seedTenant } from '../support/seed.ts';

let database: TestDatabase;
let apiKeys: ApiKeyStore;
beforeAll(async () => {
  database = await createTestDatabase('api_keys');
  apiKeys = createApiKeyStore(database.db);
});
afterAll(() => database.drop());

const FIELDS = { name: 'key', permissions: ['extension:read'], createdBy: 'test' } as const;

describe('seeding', () => {
  it('leaves a tenant and a key that are there as they are', async () => {
    const tenants = createTenantStore(database.db);
    const tenantId = await seedTenant(database.db, 'Before');
    await tenants.ensure({ tenantId, name: 'After' });
    expect(await tenants.find(tenantId)).toMatchObject({ name: 'Before' });

    const generated = generateApiKey();
    await apiKeys.ensure(tenantId, { ...FIELDS, ...generated });
    await apiKeys.ensure(tenantId, { ...FIELDS, ...generated, permissions: ['platform:operate'] });
    expect(await apiKeys.findByKeyId(generated.keyId)).toMatchObject({
      tenantId,
      permissions: ['extension:read'],
      digest: generated.digest,
    });
  });
});

describe('a key', () => {
  it('is revoked by its own tenant only, and once is for ever', async () => {
    const tenantId = await seedTenant(database.db);
    const other = await seedTenant(database.db);
    const generated = generateApiKey();
    const { id } = await apiKeys.create(tenantId, { ...FIELDS, ...generated });
    expect(await apiKeys.revoke(other, id)).toBe(false);
    expect((await apiKeys.findByKeyId(generated.keyId))?.revokedAt).toBeUndefined();
    expect(await apiKeys.revoke(tenantId, id)).toBe(true);
    const first = (await apiKeys.findByKeyId(generated.keyId))?.revokedAt;
    expect(await apiKeys.revoke(tenantId, id)).toBe(true);
    expect((await apiKeys.findByKeyId(generated.keyId))?.revokedAt).toEqual(first);
    expect(first).toBeInstanceOf(Object);
  });

  it('that nobody made is not found', async () => {
    expect(await apiKeys.findByKeyId(generateApiKey().keyId)).toBeUndefined();
  });

  it('in a list shows no digest, and only to its tenant', async () => {
    const tenantId = await seedTenant(database.db);
    await apiKeys.create(tenantId, { ...FIELDS, ...generateApiKey() });
    const { items } = await apiKeys.list(tenantId, { limit: 10 });
    expect(items.length).toBe(1);
    expect(items[0]).not.toHaveProperty('digest');
    expect((await apiKeys.list(await seedTenant(database.db), { limit: 10 })).items).toEqual([]);
  });
});
