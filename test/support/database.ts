import { randomBytes } from 'node:crypto';
import type { Knex } from 'knex';
import { SecretValue } from '../../core/secret-value.ts';
import { migrations } from '../../migrations/index.ts';
import { openDatabase } from '../../platform/db/database.ts';
import { migrate } from '../../platform/db/migrate.ts';
import { eventually } from './eventually.ts';

export interface TestDatabase {
  db: Knex;
  url: string;
  drop(): Promise<void>;
}

/** A migrated database of its own on the PostgreSQL of the test run. `name` only helps to recognise it. */
export async function createTestDatabase(name: string): Promise<TestDatabase> {
  const empty = await createEmptyDatabase(name);
  await migrate(empty.db, migrations);
  return empty;
}

/** The same without a schema. */
export async function createEmptyDatabase(name: string): Promise<TestDatabase> {
  const adminUrl = process.env['TEST_DATABASE_URL'];
  if (adminUrl === undefined) throw new Error('TEST_DATABASE_URL is unset: run through `npm test`');
  const database = `${name.replace(/\W+/g, '_').toLowerCase()}_${randomBytes(6).toString('hex')}`;
  await withAdmin(adminUrl, (admin) => admin.raw('create database ??', [database]));
  const url = new URL(adminUrl);
  url.pathname = `/${database}`;
  const db = openDatabase({ url: new SecretValue(url.href), poolMax: 10 });
  return {
    db,
    url: url.href,
    async drop() {
      await db.destroy();
      await withAdmin(adminUrl, (admin) => admin.raw('drop database ?? with (force)', [database]));
    },
  };
}

async function withAdmin(url: string, work: (admin: Knex) => Promise<unknown>): Promise<void> {
  const admin = openDatabase({ url: new SecretValue(url), poolMax: 1 });
  try {
    // On a busy machine a connection may take longer than a platform would wait for it.
    await eventually(() => admin.raw('select 1'));
    await work(admin);
  } finally {
    await admin.destroy();
  }
}
