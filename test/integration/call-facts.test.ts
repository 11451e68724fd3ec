import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { SecretValue } from '../../core/secret-value.ts';
import { createApiKeyStore } from '../../platform/db/api-keys.ts';
import { createCallFacts, type CallFacts } from '../../platform/db/call-facts.ts';
import { createHydrationStore } from '../../platform/db/hydration.ts';
import { listenForNotifications, type Notifications } from '../../platform/db/notifications.ts';
import { createLogger } from '../../platform/logger.ts';
import { generateApiKey } from '../../platform/tokens/api-key.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { eventually } from '../support/eventually.ts';
import { seedTenant } from '../support/seed.ts';
import { installSample, type InstalledSample } from '../support/start-api.ts';

const logger = createLogger({ level: 'silent', process: 'gateway' });
let database: TestDatabase;
let notifications: Notifications;
let facts: CallFacts;
let reads: number;
let installed: InstalledSample;

beforeAll(async () => {
  database = await createTestDatabase('call_facts');
});
afterAll(() => database.drop());

beforeEach(async () => {
  installed = await installSample({ db: database.db }, await seedTenant(database.db));
  notifications = listenForNotifications({ url: new SecretValue(database.url), logger });
  const hydration = createHydrationStore(database.db);
  const apiKeys = createApiKeyStore(database.db);
  reads = 0;
  facts = createCallFacts(
    {
      hydration: {
        byExtension(tenantId, ref) {
          reads += 1;
          return hydration.byExtension(tenantId, ref);
        },
      },
      apiKeys: {
        findByKeyId(keyId) {
          reads += 1;
          return apiKeys.findByKeyId(keyId);
        },
      },
    },
    notifications,
  );
  await known();
});
afterEach(() => notifications.close());

const read = () => facts.install(installed.tenantId, installed.extensionId);

/** Until the install is answered without a read. */
async function known(): Promise<void> {
  await eventually(async () => {
    const before = reads;
    await read();
    expect(reads).toBe(before);
  });
}

describe('what calls are authorised by is read again', () => {
  const db = () => database.db;
  const own = () => ({ tenant_id: installed.tenantId, install_id: installed.installId });

  it.each<[string, () => Promise<unknown>]>([
    ['the install', () => db()('tenant_extension_install').where(own()).update({ status: 'disabled' })],
    [
      'its config',
      () =>
        db()('tenant_extension_install_config').insert({
          ...own(),
          version_id: installed.versionId,
          config: { a: 1 },
          version: 1,
        }),
    ],
    ['its secrets', () => db()('tenant_extension_install').where(own()).update({ secrets_version: 7 })],
    ['its grants', () => db()('tenant_extension_grant').where(own()).delete()],
    [
      'what is switched off',
      () =>
        db()('tenant')
          .where({ tenant_id: installed.tenantId })
          .update({ capabilities_off: ['http.fetch'] }),
    ],
    [
      'its version',
      () =>
        db()('extension_version').where({ version_id: installed.versionId }).update({ status: 'revoked' }),
    ],
  ])('once a change of %s is committed', async (_of, change) => {
    const before = reads;
    await change();
    await eventually(async () => {
      await read();
      expect(reads).toBeGreaterThan(before);
    });
    await known();
  });

  it('for each call while the connection that hears changes is cut, and known again after it', async () => {
    await database.db.raw(
      `select pg_terminate_backend(pid) from pg_stat_activity
        where application_name = 'alga notifications' and datname = current_database()`,
    );
    await eventually(() => expect(notifications.heardUntil).toBe(-Infinity));
    const before = reads;
    await read();
    expect(reads).toBe(before + 1);
    await known();
  });
});

describe('a key', () => {
  it('that is revoked is read again', async () => {
    const keys = createApiKeyStore(database.db);
    const made = generateApiKey();
    const { tenantId } = installed;
    const { id } = await keys.create(tenantId, {
      ...made,
      name: 'k',
      permissions: ['extension:read'],
      createdBy: 't',
    });
    await eventually(async () => {
      const before = reads;
      await facts.apiKey(made.keyId);
      expect(reads).toBe(before);
    });
    await keys.revoke(tenantId, id);
    await eventually(async () => expect((await facts.apiKey(made.keyId))?.revokedAt).toBeDefined());
  });
});

describe('the connection that hears changes', () => {
  it('knows until when it has heard everything, and is asked sooner in a hurry', async () => {
    const asked = performance.now();
    notifications.hurry();
    await eventually(() => expect(notifications.heardUntil).toBeGreaterThan(asked));
  });

  it('leaves nothing behind however often it is asked', async () => {
    const waiting = async (): Promise<number> => {
      const { rows } = await database.db.raw<{ rows: { usage: number }[] }>(
        'select pg_notification_queue_usage() usage',
      );
      return rows[0]?.usage ?? Number.NaN;
    };
    for (let left = 200; left > 0; left -= 1) notifications.hurry();
    const asked = performance.now();
    await eventually(() => expect(notifications.heardUntil).toBeGreaterThan(asked));
    expect(await waiting()).toBe(0);
  });

  it('is told whose rows changed, and nothing of what they hold', async () => {
    const payloads: (string | undefined)[] = [];
    notifications.on('call_change', (payload) => payloads.push(payload));
    const tenantId = randomUUID();
    await database.db('tenant').insert({ tenant_id: tenantId, name: 'T' });
    await eventually(() => expect(payloads).toEqual([`tenant ${tenantId}`]));
  });
});
