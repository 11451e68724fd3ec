import { randomUUID, randomUUIDv7 } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { createExecutionPartitionStore } from '../../platform/db/execution-partitions.ts';
import {
  createExecutionStore,
  type Execution,
  type ExecutionEnd,
  type ExecutionFilter,
  type NewExecution,
} from '../../platform/db/executions.ts';
import type { Page } from '../../platform/db/page.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { eventually } from '../support/eventually.ts';
import { seedTenant } from '../support/seed.ts';
import { uuidAt } from '../support/uuid-at.ts';

const DAY_MS = 24 * 60 * 60 * 1000;
const daysFromNow = (days: number): Date => new Date(Date.now() + days * DAY_MS);

let database: TestDatabase;
let tenantId: string;
const installId = randomUUID();
const executions = () => createExecutionStore(database.db);
const partitions = () => createExecutionPartitionStore(database.db);

beforeAll(async () => {
  database = await createTestDatabase('executions_store');
});
afterAll(() => database.drop());
beforeEach(async () => {
  tenantId = await seedTenant(database.db);
});

const succeeded: ExecutionEnd = { status: 'succeeded', httpStatus: 200, durationMs: 2, responseBytes: 1 };
const failed: ExecutionEnd = { ...succeeded, status: 'failed', httpStatus: 502, errorCode: 'GUEST_TRAPPED' };

async function run(
  executionId: string,
  end?: ExecutionEnd,
  fields: Partial<NewExecution> = {},
): Promise<string> {
  await executions().begin(tenantId, {
    executionId,
    installId,
    extensionId: randomUUID(),
    versionId: randomUUID(),
    contentHash: `sha256:${'a'.repeat(64)}`,
    requestId: randomUUID(),
    trigger: 'http',
    method: 'GET',
    path: '/',
    principal: 'key',
    requestBytes: 0,
    ...fields,
  });
  if (end) await executions().end(tenantId, executionId, end);
  return executionId;
}

/** A row as releases before partitions wrote it. */
async function runLegacy(): Promise<string> {
  const executionId = randomUUID();
  await database.db('extension_execution_log').insert({
    tenant_id: tenantId,
    execution_id: executionId,
    install_id: installId,
    extension_id: randomUUID(),
    version_id: randomUUID(),
    content_hash: 'sha256:b',
    request_id: 'legacy',
    trigger: 'call',
    method: 'GET',
    path: '/',
    principal: 'key',
    request_bytes: 0,
  });
  return executionId;
}

async function partitionOf(executionId: string): Promise<string | undefined> {
  const { rows } = await database.db.raw<{ rows: { name: string }[] }>(
    'select tableoid::regclass::text as name from extension_execution_log where execution_id = ?',
    [executionId],
  );
  return rows[0]?.name;
}

const dayName = (time: Date): string =>
  `extension_execution_log_${time.toISOString().slice(0, 10).replaceAll('-', '')}`;

/** Ids of every page, in order, and how many pages there were. */
async function listAll(filter: ExecutionFilter, limit = 2): Promise<{ ids: string[]; pages: number }> {
  const found: Execution[] = [];
  let cursor: string | null = null;
  let pages = 0;
  do {
    const page: Page<Execution> = await executions().list(tenantId, filter, {
      limit,
      ...(cursor !== null && { cursor }),
    });
    expect(page.items.length).toBeLessThanOrEqual(limit);
    found.push(...page.items);
    cursor = page.nextCursor;
    pages += 1;
  } while (cursor !== null);
  return { ids: found.map(({ executionId }) => executionId), pages };
}

describe('an execution', () => {
  it('starts at the time in its id, is found by the id and keeps its first end', async () => {
    const id = await run(randomUUIDv7(), failed);
    await executions().end(tenantId, id, succeeded);
    const found = await executions().find(tenantId, id);
    expect(found).toMatchObject({ executionId: id, status: 'failed', errorCode: 'GUEST_TRAPPED' });
    expect(found?.startedAt.getTime()).toBe(Number.parseInt(id.replaceAll('-', '').slice(0, 12), 16));
  });

  it('is found in its own tenant only', async () => {
    const id = await run(randomUUIDv7());
    const other = await seedTenant(database.db);
    expect(await executions().find(other, id)).toBeUndefined();
    expect((await executions().list(other, {}, { limit: 50 })).items).toEqual([]);
  });

  it('is refused with an id that does not tell the time', async () => {
    await expect(run(randomUUID())).rejects.toMatchObject({ code: 'INTERNAL' });
    expect(await listAll({})).toEqual({ ids: [], pages: 1 });
  });

  it('is found by id and in lists if a release before partitions wrote it', async () => {
    const legacy = await runLegacy();
    const id = await run(uuidAt(new Date(Date.now() + 1000)));
    expect(await executions().find(tenantId, legacy)).toMatchObject({ executionId: legacy });
    expect(await executions().find(tenantId, randomUUID())).toBeUndefined();
    expect((await listAll({})).ids).toEqual([id, legacy]);
  });

  it('is kept in the partition of its day', async () => {
    const time = daysFromNow(5);
    expect(await partitionOf(await run(uuidAt(time)))).toBe(dayName(time));
  });
});

describe('a list', () => {
  it('goes newest first across days, page by page, without a gap or a repeat', async () => {
    const times = [9, 3, 7, 5, 0.5, 4, 8].map(daysFromNow);
    for (const time of times) await run(uuidAt(time), succeeded);
    const twins = daysFromNow(6);
    for (let i = 0; i < 5; i++) await run(uuidAt(twins));
    const { ids } = await listAll({ until: daysFromNow(30) });
    expect(ids).toHaveLength(12);
    expect(ids).toEqual([...ids].sort().reverse());
    expect(new Set(ids).size).toBe(12);
  });

  it('holds what its filters name, alone and together', async () => {
    const other = randomUUID();
    const ok = await run(randomUUIDv7(), succeeded, { requestId: 'one' });
    const bad = await run(randomUUIDv7(), failed, { requestId: 'two' });
    const slow = await run(
      randomUUIDv7(),
      { ...succeeded, durationMs: 900 },
      { installId: other, requestId: 'one' },
    );
    const open = await run(randomUUIDv7(), undefined, { installId: other });
    const otherBad = await run(randomUUIDv7(), failed, { installId: other, requestId: 'one' });
    const newestFirst = (...ids: string[]): string[] => ids.sort().reverse();
    const idsOf = async (filter: ExecutionFilter): Promise<string[]> => (await listAll(filter)).ids;
    expect(await idsOf({ installId })).toEqual(newestFirst(ok, bad));
    expect(await idsOf({ status: 'failed' })).toEqual(newestFirst(bad, otherBad));
    expect(await idsOf({ status: 'failed', installId: other })).toEqual([otherBad]);
    expect(await idsOf({ status: 'running' })).toEqual([open]);
    expect(await idsOf({ status: 'succeeded' })).toEqual(newestFirst(ok, slow));
    expect(await idsOf({ minDurationMs: 100 })).toEqual([slow]);
    expect(await idsOf({ requestId: 'one' })).toEqual(newestFirst(ok, slow, otherBad));
    expect(await idsOf({ requestId: 'one', installId: other, status: 'failed' })).toEqual([otherBad]);
    expect(await idsOf({ requestId: 'one', status: 'running' })).toEqual([]);
    expect(await idsOf({ since: daysFromNow(-1), until: daysFromNow(1), installId: other })).toHaveLength(3);
    expect(await idsOf({ until: daysFromNow(-1) })).toEqual([]);
  });

  it('looks at a bounded number of rows for what no index tells apart, and finds it in later pages', async () => {
    const time = daysFromNow(-2);
    const slow = await run(uuidAt(time), { ...succeeded, durationMs: 900 });
    await database.db.raw(
      `insert into extension_execution_log (tenant_id, execution_id, started_at, install_id, extension_id, version_id, content_hash,
         request_id, trigger, method, path, principal, request_bytes, status, duration_ms)
       select ?, gen_random_uuid(), ?::timestamptz + n * interval '1 ms', gen_random_uuid(), gen_random_uuid(), gen_random_uuid(),
         'sha256:c', 'r', 'call', 'GET', '/', 'key', 0, 'succeeded', 1 from generate_series(1, 4500) n`,
      [tenantId, time],
    );
    const first = await executions().list(tenantId, { minDurationMs: 100 }, { limit: 50 });
    expect(first.items).toEqual([]);
    expect(first.nextCursor).not.toBeNull();
    expect(await listAll({ minDurationMs: 100 }, 50)).toEqual({ ids: [slow], pages: 5 });
    expect((await listAll({ status: 'succeeded' }, 200)).ids).toHaveLength(4501);
  });
});

describe('the days of the log', () => {
  const newest = async (): Promise<Date> => {
    const { rows } = await database.db.raw<{ rows: { relname: string }[] }>(
      `select relname from pg_class where relname ~ '^extension_execution_log_[0-9]{8}$' order by relname desc limit 1`,
    );
    const [, y, m, d] = /(\d{4})(\d\d)(\d\d)$/.exec(rows[0]?.relname ?? '') ?? [];
    return new Date(`${y}-${m}-${d}T00:00:00Z`);
  };

  it('are made once when two make them at the same time', async () => {
    const until = new Date((await newest()).getTime() + 4 * DAY_MS);
    const made = await Promise.all([partitions().prepare(until), partitions().prepare(until)]);
    expect(made.flat().sort()).toEqual(
      [1, 2, 3].map((n) => dayName(new Date(until.getTime() + (n - 4) * DAY_MS))),
    );
    expect(await partitions().prepare(until)).toEqual([]);
  });

  it('take in what the default partition held of them, and calls go on meanwhile', async () => {
    const nextDay = new Date((await newest()).getTime() + DAY_MS);
    const inIt = uuidAt(new Date(nextDay.getTime() + 1));
    const beyond = uuidAt(new Date(nextDay.getTime() + 40 * DAY_MS));
    for (const id of [inIt, beyond]) {
      await run(id);
      expect(await partitionOf(id)).toBe('extension_execution_log_default');
    }
    expect(await partitions().prepare(new Date(nextDay.getTime() + 1))).toEqual([dayName(nextDay)]);
    expect(await partitionOf(inIt)).toBe(dayName(nextDay));
    expect(await partitionOf(beyond)).toBe('extension_execution_log_default');
    await executions().end(tenantId, inIt, succeeded);
    expect(await executions().find(tenantId, inIt)).toMatchObject({ status: 'succeeded' });
    expect(await executions().find(tenantId, beyond)).toMatchObject({ status: 'running' });
  });

  it('have the indexes and constraints of those the migration made', async () => {
    const shape = async (name: string): Promise<unknown[]> => {
      const { rows } = await database.db.raw<{ rows: { text: string }[] }>(
        `select regexp_replace(indexdef, 'INDEX .* ON', 'INDEX ON') as text from pg_indexes where tablename = :name
         union all select pg_get_constraintdef(oid) from pg_constraint where conrelid = cast(:name as regclass)
         union all select reloptions::text from pg_class where oid = cast(:name as regclass) order by 1`,
        { name },
      );
      return rows.map(({ text }) => text.replaceAll(name, '…'));
    };
    const [made] = await partitions().prepare(new Date((await newest()).getTime() + DAY_MS + 1));
    expect(made).toBeDefined();
    const first = dayName(daysFromNow(3));
    expect(await shape(made ?? '')).toEqual(await shape(first));
    expect(await shape(first)).toContain('FOREIGN KEY (tenant_id) REFERENCES tenant(tenant_id)');
  });

  it('do not keep calls waiting while somebody reads the default partition for long', async () => {
    const { db } = database;
    const reader = await db.transaction();
    try {
      await reader.raw('select count(*) from extension_execution_log_default');
      const preparing = partitions().prepare(new Date((await newest()).getTime() + DAY_MS + 1));
      const outcome = preparing.then(
        () => 'made',
        (err: unknown) => (err as { code?: string }).code,
      );
      await eventually(async () => expect(await db('pg_locks').where('granted', false)).not.toEqual([]));
      await run(uuidAt(daysFromNow(4)), succeeded);
      expect(await db('pg_locks').where('granted', false)).not.toEqual([]); // it still waits
      expect(await outcome).toBe('55P03'); // lock_timeout: the next run tries again
    } finally {
      await reader.rollback();
    }
  });

  it('that are over are dropped, with their rows, and no others', async () => {
    const before = await newest();
    const after = new Date(before.getTime() + 2 * DAY_MS);
    await partitions().prepare(after);
    const [over, kept] = [uuidAt(before), uuidAt(new Date(before.getTime() + DAY_MS))];
    for (const id of [over, kept]) await run(id, succeeded);
    const dropped = await partitions().dropBefore(new Date(before.getTime() + DAY_MS));
    expect(dropped).toContain(dayName(before));
    expect(dropped).not.toContain(dayName(after));
    expect(await executions().find(tenantId, over)).toBeUndefined();
    expect(await executions().find(tenantId, kept)).toBeDefined();
    expect(await partitionOf(kept)).toBe(dayName(new Date(before.getTime() + DAY_MS)));
    const { rows } = await database.db.raw<{ rows: unknown[] }>(
      `select from pg_class where relname in ('extension_execution_log_legacy', 'extension_execution_log_default')`,
    );
    expect(rows).toHaveLength(2);
    expect(await partitions().dropBefore(new Date(before.getTime() + DAY_MS))).toEqual([]);
    // What is dropped may be called for again.
    await run(uuidAt(before), succeeded);
  });
});

describe('the end of an execution', () => {
  it.each([
    ['more than there is', 1e300, Number.MAX_SAFE_INTEGER],
    ['infinite', Infinity, Number.MAX_SAFE_INTEGER],
    ['below zero', -1, 0],
    ['no number', NaN, undefined],
  ])('is recorded though its figures are %s', async (_what, claimed, kept) => {
    const id = randomUUIDv7();
    await run(id, { ...succeeded, cpuMs: claimed, fuel: claimed, memoryBytes: claimed });
    const found = await executions().find(tenantId, id);
    expect(found?.status).toBe('succeeded');
    expect([found?.cpuMs, found?.fuel, found?.memoryBytes]).toEqual([kept, kept, kept]);
  });
});
