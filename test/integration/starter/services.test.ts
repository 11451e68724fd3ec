import { Connection } from '@temporalio/client';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { SEARCH_ATTRIBUTES } from '../../../core/search-attributes.ts';
import { createTestDatabase, type TestDatabase } from '../../support/database.ts';

describe('the services of the integration tests', () => {
  let database: TestDatabase;
  let connection: Connection;

  beforeAll(async () => {
    database = await createTestDatabase('services');
    connection = await Connection.connect({ address: process.env['TEST_TEMPORAL_ADDRESS'] ?? '' });
  });
  afterAll(async () => {
    await connection.close();
    await database.drop();
  });

  it('give each test file a migrated database of its own', async () => {
    const other = await createTestDatabase('services');
    try {
      await database.db.raw('create table only_here (id int)');
      expect(await database.db.schema.hasTable('extension_registry')).toBe(true);
      expect(await other.db.schema.hasTable('extension_registry')).toBe(true);
      expect(await other.db.schema.hasTable('only_here')).toBe(false);
    } finally {
      await other.drop();
    }
  });

  it('hold a Temporal server that knows our search attributes', async () => {
    const { customAttributes } = await connection.operatorService.listSearchAttributes({
      namespace: 'default',
    });
    expect(Object.keys(customAttributes)).toEqual(expect.arrayContaining([...SEARCH_ATTRIBUTES]));
  });
});
