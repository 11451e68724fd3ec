import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { claimPublisher, createPublisherStore, type PublisherStore } from '../../platform/db/publishers.ts';
import { createRegistryStore, type RegistryStore } from '../../platform/db/registry.ts';
import { eventually } from '../support/eventually.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { registrationOf, seedManifest, seedTenant, seedVersion } from '../support/seed.ts';

let database: TestDatabase;
let registry: RegistryStore;
let publishers: PublisherStore;
beforeAll(async () => {
  database = await createTestDatabase('registry');
  registry = createRegistryStore(database.db);
  publishers = createPublisherStore(database.db);
});
afterAll(() => database.drop());

const failureOf = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => undefined,
    (err: unknown) => err,
  );
const named = (name: string, more: Record<string, unknown> = {}) =>
  seedManifest({ name, publisher: `Publisher of ${name}`, ...more });

describe('registering a version', () => {
  it('makes publisher, extension, version, bundle and endpoints at once', async () => {
    const tenantId = await seedTenant(database.db);
    const registered = await registry.register(registrationOf(tenantId, named('whole')));
    const version = await registry.findVersionById(registered.versionId);
    expect(version).toMatchObject({
      extension: 'publisher-of-whole.whole',
      version: '1.0.0',
      status: 'published',
    });
    const endpoints: unknown = await database
      .db('extension_api_endpoint')
      .where({ version_id: registered.versionId })
      .orderBy('position')
      .select('method', 'path', 'permission');
    expect(endpoints).toEqual([
      { method: 'GET', path: '/notes/:id', permission: 'extension:read' },
      { method: 'POST', path: '/notes', permission: 'extension:write' },
    ]);
  });

  it('answers the same version when repeated for the same upload', async () => {
    const tenantId = await seedTenant(database.db);
    const registration = registrationOf(tenantId, named('repeated'));
    const first = await registry.register(registration);
    expect(await registry.register(registration)).toEqual(first);
    expect(await registry.publishedVersions(first.extensionId)).toEqual(['1.0.0']);
  });

  it('refuses the same number a second time', async () => {
    const tenantId = await seedTenant(database.db);
    await registry.register(registrationOf(tenantId, named('immutable')));
    await expect(registry.register(registrationOf(tenantId, named('immutable')))).rejects.toMatchObject({
      code: 'VERSION_EXISTS',
    });
    await expect(registry.checkPublishable(tenantId, named('immutable'))).rejects.toMatchObject({
      code: 'VERSION_EXISTS',
    });
  });

  it('lets one of many publishes of the same number win', async () => {
    const tenantId = await seedTenant(database.db);
    const attempts = Array.from({ length: 6 }, () =>
      registry.register(registrationOf(tenantId, named('raced'))),
    );
    const settled = await Promise.allSettled(attempts);
    expect(settled.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    for (const attempt of settled) {
      if (attempt.status === 'rejected') expect(attempt.reason).toMatchObject({ code: 'VERSION_EXISTS' });
    }
  });

  it("refuses another tenant's publisher and leaves nothing behind", async () => {
    const owner = await seedTenant(database.db);
    const other = await seedTenant(database.db);
    await registry.register(registrationOf(owner, named('owned')));
    const attempt = registrationOf(other, named('owned', { version: '2.0.0' }));
    await expect(registry.checkPublishable(other, attempt.manifest)).rejects.toMatchObject({
      code: 'PUBLISHER_NOT_YOURS',
    });
    await expect(registry.register(attempt)).rejects.toMatchObject({ code: 'PUBLISHER_NOT_YOURS' });
    expect(await database.db('extension_bundle').where({ content_hash: attempt.contentHash })).toEqual([]);
  });

  it('gives a name that reads like a taken one to nobody, and says which is taken', async () => {
    const owner = await seedTenant(database.db);
    const other = await seedTenant(database.db);
    const publishAs = (tenantId: string, publisher: string) =>
      registrationOf(tenantId, named('alike', { publisher, version: `1.0.${(patch += 1)}` }));
    let patch = 0;
    await registry.register(publishAs(owner, 'Red'));
    const refusals = [
      {
        tenantId: other,
        code: 'PUBLISHER_NOT_YOURS',
        message: /"r-e-d", reads like "red", which belongs to another/,
      },
      {
        tenantId: owner,
        code: 'MANIFEST_INVALID',
        message: /"r-e-d", which reads like "red" .* write "Red"/,
      },
    ];
    for (const { tenantId, code, message } of refusals) {
      const attempt = publishAs(tenantId, 'R.e.d');
      const refusal = { code, message: expect.stringMatching(message) as unknown };
      await expect(registry.checkPublishable(tenantId, attempt.manifest)).rejects.toMatchObject(refusal);
      await expect(registry.register(attempt)).rejects.toMatchObject(refusal);
    }
    expect(await database.db('extension_publisher').where({ slug: 'r-e-d' })).toEqual([]);
    await registry.register(publishAs(owner, 'Red'));
  });

  it('lets one of many publishes under names that read alike win', async () => {
    const names = ['Blue Sky', 'bluesky', 'B.L.U.E. sky', 'blue.sky'];
    const attempts = await Promise.all(
      names.map(async (publisher) => {
        const tenantId = await seedTenant(database.db);
        return registrationOf(tenantId, named('race', { publisher }));
      }),
    );
    const settled = await Promise.allSettled(attempts.map((attempt) => registry.register(attempt)));
    expect(settled.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    for (const end of settled) {
      if (end.status === 'rejected') expect(end.reason).toMatchObject({ code: 'PUBLISHER_NOT_YOURS' });
    }
  });

  it('follows the publisher to another tenant, and answers a repeat what it made before', async () => {
    const [owner, next] = [await seedTenant(database.db), await seedTenant(database.db)];
    const first = registrationOf(owner, named('given'));
    const made = await registry.register(first);
    const slug = 'publisher-of-given';
    await publishers.transfer({ slug, tenantId: next, reason: 'sold', requestedBy: 'operator' });
    const more = named('given', { version: '2.0.0' });
    await expect(registry.register(registrationOf(owner, more))).rejects.toMatchObject({
      code: 'PUBLISHER_NOT_YOURS',
    });
    expect(await registry.register(first)).toEqual(made);
    await registry.register(registrationOf(next, more));
    expect(await registry.publishedVersions(made.extensionId)).toEqual(['1.0.0', '2.0.0']);
  });

  it('is before a transfer or refused, never both: whichever comes second waits for the first', async () => {
    const [owner, next] = [await seedTenant(database.db), await seedTenant(database.db)];
    await registry.register(registrationOf(owner, named('held')));
    const slug = 'publisher-of-held';
    const transfer = () =>
      publishers.transfer({ slug, tenantId: next, reason: 'sold', requestedBy: 'operator' });
    const waiting = () =>
      eventually(async () => {
        const { rows } = await database.db.raw<{ rows: unknown[] }>(
          `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
        );
        expect(rows).toHaveLength(1);
      });

    // A publish has claimed it, and has not ended.
    let moved = false;
    const { moving } = await database.db.transaction(async (trx) => {
      await claimPublisher(trx, owner, 'Publisher of held');
      const transferring = transfer().then(() => (moved = true));
      await waiting();
      expect(moved).toBe(false);
      return { moving: transferring };
    });
    await moving;
    expect(await publishers.find(slug)).toMatchObject({ tenantId: next });

    // A transfer is under way, and has not ended.
    const { attempt } = await database.db.transaction(async (trx) => {
      await trx('extension_publisher').where({ slug }).update({ tenant_id: owner });
      const registering = failureOf(
        registry.register(registrationOf(next, named('held', { version: '2.0.0' }))),
      );
      await waiting();
      return { attempt: registering };
    });
    expect(await attempt).toMatchObject({ code: 'PUBLISHER_NOT_YOURS' });
  });

  it('refuses a new publisher whose slug loses letters, and lets one go on that has such a name', async () => {
    const tenantId = await seedTenant(database.db);
    const refused = named('lossy', { publisher: 'Grün' });
    const issue = { path: 'publisher', code: 'lost_letters' };
    for (const attempt of [
      registry.checkPublishable(tenantId, refused),
      registry.register(registrationOf(tenantId, refused)),
    ]) {
      await expect(attempt).rejects.toMatchObject({ code: 'MANIFEST_INVALID', issues: [issue] });
    }
    const earlier = { slug: 'bl-t', name: 'Blüt', tenant_id: tenantId };
    await database.db('extension_publisher').insert(earlier);
    const { extensionId } = await registry.register(
      registrationOf(tenantId, named('lossy', { publisher: 'Blüt' })),
    );
    expect(await registry.findExtension(extensionId)).toMatchObject({
      publisher: 'Blüt',
      publisherSlug: 'bl-t',
    });
    // The slug alone does not do: it is the name that was there.
    const like = registrationOf(tenantId, named('lossy', { publisher: 'Blöt' }));
    await expect(registry.register(like)).rejects.toMatchObject({ code: 'MANIFEST_INVALID' });
  });

  it('gives a wildcard the next patch', async () => {
    const tenantId = await seedTenant(database.db);
    const publish = (version: string) =>
      registry.register(registrationOf(tenantId, named('wild', { version })));
    expect((await publish('1.2.*')).version).toBe('1.2.0');
    expect((await publish('1.2.*')).version).toBe('1.2.1');
    await publish('1.2.7');
    expect((await publish('1.2.*')).version).toBe('1.2.8');
  });

  it('gives each of twenty wildcards at once a patch of its own, though all have the same bytes', async () => {
    const tenantId = await seedTenant(database.db);
    const manifest = named('rushed', { version: '1.2.*' });
    const { contentHash } = registrationOf(tenantId, manifest);
    const publishes = Array.from({ length: 20 }, () =>
      registry.register({ ...registrationOf(tenantId, manifest), contentHash }),
    );
    const versions = (await Promise.all(publishes)).map((made) => made.version);
    expect(versions.toSorted()).toEqual(Array.from({ length: 20 }, (_none, at) => `1.2.${at}`).toSorted());
    const last = await registry.findExtension('publisher-of-rushed.rushed');
    const version = await registry.findVersion(last?.extensionId ?? '', '1.2.19');
    expect(version).toMatchObject({ contentHash, manifest: { version: '1.2.19' } });
  });
});

describe('finding an extension', () => {
  it('works by id and by publisher.name, also when the name has dots', async () => {
    const tenantId = await seedTenant(database.db);
    const { extensionId } = await seedVersion(database.db, tenantId, {
      name: 'com.acme.notes',
      publisher: 'Dotted, Inc.',
    });
    expect((await registry.findExtension(extensionId))?.extension).toBe('dotted-inc.com.acme.notes');
    expect((await registry.findExtension('dotted-inc.com.acme.notes'))?.extensionId).toBe(extensionId);
  });

  it.each(['', '.', 'nodot', 'no.such', randomUUID(), "x'; drop table tenant; --.y"])(
    'finds nothing under %j',
    async (ref) => {
      expect(await registry.findExtension(ref)).toBeUndefined();
    },
  );
});

describe('lists', () => {
  it('page through everything once, in order', async () => {
    const tenantId = await seedTenant(database.db);
    let extensionId = '';
    for (const patch of [0, 1, 2, 3, 4]) {
      ({ extensionId } = await seedVersion(database.db, tenantId, {
        name: 'paged',
        publisher: 'Paged',
        version: `1.0.${patch}`,
      }));
    }
    const seen: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await registry.listVersions(extensionId, { limit: 2, cursor });
      seen.push(...page.items.map(({ version }) => version));
      cursor = page.nextCursor ?? undefined;
    } while (cursor !== undefined);
    expect(seen).toEqual(['1.0.4', '1.0.3', '1.0.2', '1.0.1', '1.0.0']);
  });

  it.each([
    'x',
    'bnVsbA',
    Buffer.from('["now","x"]').toString('base64url'),
    Buffer.from(JSON.stringify(["'", randomUUID()])).toString('base64url'),
  ])('refuse a cursor that is not theirs: %s', async (cursor) => {
    await expect(registry.listVersions(randomUUID(), { limit: 2, cursor })).rejects.toMatchObject({
      code: 'INPUT_INVALID',
    });
  });
});
