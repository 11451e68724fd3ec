import { createHash, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { createArtifactStore, type ArtifactStore, type BundlePosition } from '../../platform/db/artifacts.ts';
import { createRegistryStore } from '../../platform/db/registry.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { registrationOf, seedManifest, seedTenant } from '../support/seed.ts';

const keyId = (digit: string): string => `sha256:${digit.repeat(64)}`;
const GOAL = { target: 'jco-2', keyId: keyId('a') };
const artifact = { ...GOAL, sha256: 'b'.repeat(64), sizeBytes: 10 };

let database: TestDatabase;
let store: ArtifactStore;
beforeAll(async () => {
  database = await createTestDatabase('artifacts');
  store = createArtifactStore(database.db);
});
afterAll(() => database.drop());
beforeEach(async () => {
  await database.db.raw('truncate extension_publisher, extension_bundle, tenant cascade');
});

/** A published version whose content is named by the text. */
async function publish(
  tenantId: string,
  content: string,
): Promise<{ contentHash: string; versionId: string; extensionId: string }> {
  const contentHash = `sha256:${createHash('sha256').update(content).digest('hex')}`;
  const manifest = seedManifest({ publisher: `P ${tenantId}`, name: `n-${randomUUID()}` });
  const made = { target: 'jco-1', sha256: 'c'.repeat(64), sizeBytes: 1 };
  const registration = registrationOf(tenantId, manifest, { contentHash, artifact: made });
  return { ...(await createRegistryStore(database.db).register(registration)), contentHash };
}

async function install(tenantId: string, version: { extensionId: string; versionId: string }): Promise<void> {
  await database.db('tenant_extension_install').insert({
    tenant_id: tenantId,
    install_id: randomUUID(),
    extension_id: version.extensionId,
    active_version_id: version.versionId,
    status: 'active',
  });
}

/** Everything that is outdated, page by page. */
async function outdated(limit: number): Promise<string[]> {
  const found: string[] = [];
  for (let after: BundlePosition | undefined; ;) {
    const page = await store.listOutdated(GOAL, { limit, ...(after && { after }) });
    found.push(...page.map(({ contentHash }) => contentHash));
    after = page.at(-1)?.position;
    if (!after) return found;
  }
}

describe('artifacts in the registry', () => {
  it('are up to date when target and key are the wanted ones', async () => {
    const { contentHash } = await publish(await seedTenant(database.db), 'one');
    expect(await store.countOutdated(GOAL)).toBe(1);
    for (const wrong of [
      { ...artifact, keyId: keyId('d') },
      { ...artifact, target: 'jco-3' },
    ]) {
      await store.record(contentHash, wrong);
      expect(await outdated(10)).toEqual([contentHash]);
    }
    await store.record(contentHash, artifact);
    expect(await store.countOutdated(GOAL)).toBe(0);
    expect(await outdated(10)).toEqual([]);
    await store.record(contentHash, { ...artifact, keyId: keyId('d') });
    expect(await store.countOutdated(GOAL)).toBe(1);
  });

  it('are not written down while no version has the content', async () => {
    await store.record(keyId('0'), artifact);
    expect(await database.db('extension_artifact')).toEqual([]);
  });

  it('have a publisher while a version of the content is published', async () => {
    const tenantId = await seedTenant(database.db);
    const { contentHash, versionId } = await publish(tenantId, 'one');
    expect(await store.publisherOf(contentHash)).toBe(tenantId);
    await database.db('extension_version').where({ version_id: versionId }).update({ status: 'revoked' });
    expect(await store.publisherOf(contentHash)).toBeUndefined();
    expect(await store.publisherOf(keyId('0'))).toBeUndefined();
  });
});

describe('the list of outdated bundles', () => {
  it('has those with installs first and gives every tenant a turn, however many one of them has', async () => {
    const [many, few] = [await seedTenant(database.db), await seedTenant(database.db)];
    const ofMany = [];
    for (let n = 0; n < 6; n += 1) ofMany.push(await publish(many, `many ${n}`));
    const ofFew = [await publish(few, 'few 0'), await publish(few, 'few 1')];
    const installed = ofMany[5];
    if (installed) await install(many, installed);
    const order = await outdated(3);
    expect(order).toHaveLength(8);
    expect(new Set(order).size).toBe(8);
    expect(order[0]).toBe(installed?.contentHash);
    const places = ofFew.map(({ contentHash }) => order.indexOf(contentHash));
    expect(Math.max(...places)).toBeLessThanOrEqual(4);
    expect(await store.countOutdated(GOAL)).toBe(8);
  });

  it('has content once that several published, and what is revoked only while it serves', async () => {
    const [first, second] = [await seedTenant(database.db), await seedTenant(database.db)];
    const one = await publish(first, 'same');
    await publish(second, 'same');
    expect(await outdated(1)).toEqual([one.contentHash]);
    await database.db('extension_version').update({ status: 'revoked' });
    expect(await outdated(1)).toEqual([]);
    await install(first, one);
    expect(await outdated(1)).toEqual([one.contentHash]);
  });

  it('goes on where it was although some have been made in between', async () => {
    const tenantId = await seedTenant(database.db);
    const hashes = [];
    for (let n = 0; n < 5; n += 1) hashes.push((await publish(tenantId, `n ${n}`)).contentHash);
    const [first, second] = await store.listOutdated(GOAL, { limit: 2 });
    if (!first || !second) throw new Error('nothing is outdated');
    await store.record(first.contentHash, artifact);
    const rest = await store.listOutdated(GOAL, { limit: 10, after: second.position });
    expect([first, second, ...rest].map(({ contentHash }) => contentHash)).toEqual(hashes.sort());
  });
});
