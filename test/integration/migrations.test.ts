import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { Knex } from 'knex';
import { SecretValue } from '../../core/secret-value.ts';
import { migrations } from '../../migrations/index.ts';
import { openDatabase } from '../../platform/db/database.ts';
import { migrate, migrateDown, readApplied } from '../../platform/db/migrate.ts';
import { createEmptyDatabase, type TestDatabase } from '../support/database.ts';

let database: TestDatabase;
beforeEach(async () => {
  database = await createEmptyDatabase('migrations');
});
afterEach(() => database.drop());

async function schemaOf(db: Knex): Promise<unknown> {
  const columns = await db('information_schema.columns')
    .where({ table_schema: 'public' })
    .whereNot('table_name', 'like', 'knex%')
    .orderBy(['table_name', 'column_name'])
    .select('table_name', 'column_name', 'data_type', 'is_nullable', 'column_default');
  const { rows } = await db.raw<{ rows: unknown[] }>(
    `select conrelid::regclass::text as relation, pg_get_constraintdef(oid) as definition
     from pg_constraint where connamespace = 'public'::regnamespace and conrelid::regclass::text not like 'knex%' order by 1, 2`,
  );
  return { columns, constraints: rows };
}

describe('migrations', () => {
  it('change nothing when run a second time', async () => {
    expect(await migrate(database.db, migrations)).toEqual(Object.keys(migrations));
    const schema = await schemaOf(database.db);
    expect(await migrate(database.db, migrations)).toEqual([]);
    expect(await schemaOf(database.db)).toEqual(schema);
  });

  it('are applied once when eight processes start at once on an empty database', async () => {
    const pools = Array.from({ length: 8 }, () =>
      openDatabase({ url: new SecretValue(database.url), poolMax: 2 }),
    );
    try {
      const applied = await Promise.all(pools.map((db) => migrate(db, migrations)));
      expect(applied.filter((names) => names.length > 0)).toEqual([Object.keys(migrations)]);
    } finally {
      await Promise.all(pools.map((db) => db.destroy()));
    }
  });

  it('leave alone what a newer release applied', async () => {
    await migrate(database.db, migrations);
    const older = Object.fromEntries(Object.entries(migrations).slice(0, -1));
    expect(await migrate(database.db, older)).toEqual([]);
    expect((await readApplied(database.db)).names).toEqual(Object.keys(migrations));
  });

  it('go down and up again to the same schema', async () => {
    await migrate(database.db, migrations);
    const schema = await schemaOf(database.db);
    await migrateDown(database.db, migrations);
    expect(await schemaOf(database.db)).toEqual({ columns: [], constraints: [] });
    await migrate(database.db, migrations);
    expect(await schemaOf(database.db)).toEqual(schema);
  });
});
