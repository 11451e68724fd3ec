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

/** By table: its columns, constraints, indexes, triggers and place in a partitioned table. By name: functions and sequences. */
async function schemaOf(db: Knex): Promise<Record<string, unknown>> {
  const { rows } = await db.raw<{ rows: { name: string; schema: unknown }[] }>(`
    select c.relname as name, jsonb_build_object(
      'columns', (select jsonb_object_agg(a.attname, jsonb_build_object(
                           'type', format_type(a.atttypid, a.atttypmod), 'nullable', not a.attnotnull,
                           'collation', (select collname from pg_collation where oid = a.attcollation),
                           'default', (select pg_get_expr(adbin, adrelid) from pg_attrdef where adrelid = c.oid and adnum = a.attnum)))
                    from pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped),
      'constraints', (select jsonb_object_agg(conname, pg_get_constraintdef(oid))
                        from pg_constraint where conrelid = c.oid and contype <> 'n'),
      'indexes', (select jsonb_object_agg(indexname, indexdef) from pg_indexes where schemaname = 'public' and tablename = c.relname),
      'triggers', (select jsonb_object_agg(tgname, pg_get_triggerdef(oid)) from pg_trigger where tgrelid = c.oid and not tgisinternal),
      'partition', pg_get_partkeydef(c.oid), 'of', (select inhparent::regclass::text from pg_inherits where inhrelid = c.oid),
      'bounds', pg_get_expr(c.relpartbound, c.oid)) as schema
    from pg_class c
    where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p')
      and c.relname not like 'knex%' and c.relname <> 'breaking_migration'
    union all
    select proname, to_jsonb(pg_get_functiondef(oid)) from pg_proc where pronamespace = 'public'::regnamespace
    union all
    select sequencename, to_jsonb(data_type::text) from pg_sequences
    where schemaname = 'public' and sequencename not like 'knex%'`);
  return Object.fromEntries(rows.map(({ name, schema }) => [name, schema]));
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
    expect(Object.keys(schema)).toContain('extension_execution_log_legacy');
    await migrateDown(database.db, migrations);
    expect(await schemaOf(database.db)).toEqual({});
    await migrate(database.db, migrations);
    expect(await schemaOf(database.db)).toEqual(schema);
  });

  it('each undo just what they did', async () => {
    const { db } = database;
    const steps = Object.entries(migrations);
    const before: Record<string, unknown>[] = [];
    for (const [, migration] of steps) {
      before.push(await schemaOf(db));
      await migration.up(db);
    }
    for (const [name, migration] of steps.reverse()) {
      await migration.down?.(db);
      expect([name, await schemaOf(db)]).toEqual([name, before.pop()]);
    }
  });
});
