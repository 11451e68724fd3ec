import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { SecretValue } from '../../core/secret-value.ts';
import { openDatabase } from '../../platform/db/database.ts';
import { explainQueries } from '../../scripts/explain-queries.ts';
import { fillDatabase } from '../../scripts/fill-database.ts';
import { hotQueries } from '../../scripts/hot-queries/index.ts';
import { createEmptyDatabase, type TestDatabase } from '../support/database.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createEmptyDatabase('hot_queries');
});
afterAll(() => database.drop());

const sizes = { tenants: 2_000, installs: 10_000, executions: 20_000 };

it('every query of the stores reads what it answers and no more, whatever else the database holds', async () => {
  const db = openDatabase({ url: new SecretValue(database.url), poolMax: 1 });
  try {
    await fillDatabase(db, sizes, () => undefined);
    const queries = hotQueries();
    const owed = new Set(queries.filter(({ owes }) => owes !== undefined).map(({ name }) => name));
    const explained = await explainQueries(db, queries, 1);
    expect(explained).toHaveLength(queries.length);
    expect(explained.filter(({ name, faults }) => faults.length > 0 && !owed.has(name))).toEqual([]);
    // What is owed is forgotten once it is paid.
    expect(explained.filter(({ name, faults }) => faults.length === 0 && owed.has(name))).toEqual([]);

    await db.raw('drop index tenant_by_time');
    const tenants = queries.filter(({ name }) => name.startsWith('tenants'));
    expect((await explainQueries(db, tenants, 1)).map(({ faults }) => faults)).toEqual([
      ['reads 2000 rows to answer 51', 'reads all of tenant'],
      ['reads 2000 rows to answer 51', 'reads all of tenant'],
    ]);
    await expect(fillDatabase(db, sizes, () => undefined)).rejects.toThrow('holds tenants already');
  } finally {
    await db.destroy();
  }
}, 240_000);
