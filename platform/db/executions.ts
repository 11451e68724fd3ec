import type { Knex } from 'knex';
import type { Trigger } from '../../core/execute.ts';
import { PlatformError } from '../../core/errors.ts';
import { timeOfUuid } from '../../core/ids.ts';
import { createGroupCommit } from '../group-commit.ts';
import { isDatabaseAway } from './database.ts';
import { fetchFilteredPage, type Condition, type Page, type PageRequest } from './page.ts';

/** `interrupted`: it was begun, and what came of it is not known. */
export type ExecutionStatus = 'running' | 'succeeded' | 'failed' | 'interrupted';

/** One call, as it is written before dispatch. */
export interface NewExecution {
  /** A UUIDv7: the time in it is when the execution started. */
  executionId: string;
  installId: string;
  extensionId: string;
  versionId: string;
  contentHash: string;
  requestId: string;
  /** 32 hex digits. */
  traceId?: string | undefined;
  trigger: Trigger;
  method: string;
  /** Below the extension's root, without the query: a query may hold what nobody should keep. */
  path: string;
  /** Who asked: a key id, or `worker`. */
  principal: string;
  requestBytes: number;
}

/** How it ended. A guest that answers 500 has succeeded in answering: only what kept it from that has an error code. */
export interface ExecutionEnd {
  status: Exclude<ExecutionStatus, 'running'>;
  httpStatus: number;
  /** Of one that failed. */
  errorCode?: string;
  /** Message and stack that the guest ended with: its own words, for who may debug it. */
  exception?: string;
  durationMs: number;
  cpuMs?: number;
  fuel?: number;
  memoryBytes?: number;
  responseBytes: number;
}

export interface Execution extends NewExecution, Partial<Omit<ExecutionEnd, 'status'>> {
  status: ExecutionStatus;
  startedAt: Date;
}

export interface ExecutionFilter {
  installId?: string | undefined;
  status?: ExecutionStatus | undefined;
  since?: Date | undefined;
  until?: Date | undefined;
  minDurationMs?: number | undefined;
  requestId?: string | undefined;
}

interface ExecutionRow {
  execution_id: string;
  install_id: string;
  extension_id: string;
  version_id: string;
  content_hash: string;
  request_id: string;
  trace_id?: string | null;
  trigger: Trigger;
  method: string;
  path: string;
  principal: string;
  status: ExecutionStatus;
  http_status: number | null;
  error_code: string | null;
  exception?: string | null;
  duration_ms: number | null;
  cpu_ms: number | null;
  fuel: number | null;
  memory_bytes: number | null;
  request_bytes: number;
  response_bytes: number | null;
  started_at: Date;
}

export type ExecutionStore = ReturnType<typeof createExecutionStore>;

/** A list ends this far ahead of our clock: room for another gateway's, and no day beyond is looked at. */
const AHEAD_MS = 24 * 60 * 60 * 1000;

/** Rows of one statement at most. */
const GROUP = 256;
/** A statement costs as much as six rows in it: the more begin at once, the longer they wait for others. */
const beginPaceMs = (rows: number): number => (rows > 1 ? Math.min(rows, 4) : 0);
/** Nobody waits for an end. */
const endPaceMs = (): number => 20;
const isItemsFault = (err: unknown): boolean => !isDatabaseAway(err);

/**
 * Partitioned by day: a row is found by tenant, start and id, and the id tells the start. `writing` is what rows are begun and ended on:
 * where there are many, connections of their own that plan once.
 */
export function createExecutionStore(db: Knex, writing = db) {
  const begins = createGroupCommit<Begin>((rows) => insertAll(writing, rows), {
    most: GROUP,
    paceMs: beginPaceMs,
    isItemsFault,
  });
  const ends = createGroupCommit<End>((rows) => endAll(writing, rows), {
    most: GROUP,
    paceMs: endPaceMs,
    isItemsFault,
  });

  return {
    /** Settles once the row is committed, with those of other calls. */
    async begin(tenantId: string, execution: NewExecution): Promise<void> {
      await begins.write({ ...execution, tenantId, startedAt: startOf(execution.executionId) });
    },

    /** The first end stays. */
    async end(tenantId: string, executionId: string, end: ExecutionEnd): Promise<void> {
      await ends.write({ ...end, tenantId, executionId, startedAt: startOf(executionId) });
    },

    async find(tenantId: string, executionId: string): Promise<Execution | undefined> {
      const found = timeOfUuid(executionId)
        ? db('extension_execution_log').where(keyOf(tenantId, executionId))
        : // An id that does not tell its time is from before there were partitions.
          db('extension_execution_log_legacy').where({ tenant_id: tenantId, execution_id: executionId });
      const row = (await found.first()) as ExecutionRow | undefined;
      return row && { ...toExecution(row), ...(row.exception != null && { exception: row.exception }) };
    },

    /** Ids of an install's calls that began since then and have not ended. A call that began meanwhile may be missing. */
    async listRunning(
      tenantId: string,
      { installId, since }: { installId: string; since: Date },
    ): Promise<string[]> {
      return db('extension_execution_log')
        .where({ tenant_id: tenantId, install_id: installId, status: 'running' })
        .where('started_at', '>=', since)
        .where('started_at', '<', new Date(Date.now() + AHEAD_MS))
        .pluck<string[]>('execution_id');
    },

    /** Whether one of them has not ended. */
    async anyRunning(tenantId: string, executionIds: readonly string[]): Promise<boolean> {
      if (executionIds.length === 0) return false;
      const row = (await db('extension_execution_log')
        .where({ tenant_id: tenantId, status: 'running' })
        .whereIn(
          ['started_at', 'execution_id'],
          executionIds.map((id) => [keyOf(tenantId, id).started_at, id]),
        )
        .first('execution_id')) as unknown;
      return row !== undefined;
    },

    /** Newest first. A page may hold fewer than `limit`, or none, and still have a cursor: it looks at a bounded number of rows. */
    async list(tenantId: string, filter: ExecutionFilter, page: PageRequest): Promise<Page<Execution>> {
      const order = { time: 'started_at', id: 'execution_id', order: 'desc' } as const;
      return db.transaction(async (trx) => {
        // Every index has the list's order. PostgreSQL underrates how many rows one install of one tenant has, and would read them all to
        // sort them.
        await trx.raw('set local enable_sort = off');
        const { query, rest } = filtered(trx, tenantId, filter);
        return fetchFilteredPage(trx, query, order, rest, page, toExecution);
      });
    },
  };
}

/** What one index serves goes into the query; what it does not tell apart is left to the page. */
function filtered(
  db: Knex,
  tenantId: string,
  { installId, status, requestId, minDurationMs, since, until }: ExecutionFilter,
): { query: Knex.QueryBuilder; rest: Condition[] } {
  const query = db('extension_execution_log')
    .where({ tenant_id: tenantId })
    .where('started_at', '<', until ?? new Date(Date.now() + AHEAD_MS))
    .select('*');
  const rest: Condition[] = [];
  if (since) void query.where('started_at', '>=', since);
  if (minDurationMs !== undefined) rest.push(['duration_ms >= ?', minDurationMs]);
  if (requestId !== undefined) {
    void query.where({ request_id: requestId });
    if (installId !== undefined) rest.push(['install_id = ?', installId]);
  } else if (installId !== undefined) void query.where({ install_id: installId });
  if (status === 'failed' && requestId === undefined) void query.whereNotNull('error_code');
  else if (status !== undefined) rest.push(['status = ?', status]);
  return { query, rest };
}

type Begin = NewExecution & { tenantId: string; startedAt: Date };
type End = ExecutionEnd & { tenantId: string; executionId: string; startedAt: Date };

/** Columns of one list each, as `unnest` takes them. */
type Columns<Row> = readonly (readonly [column: string, type: string, of: (row: Row) => unknown])[];

const BEGIN: Columns<Begin> = [
  ['tenant_id', 'uuid', (row) => row.tenantId],
  ['started_at', 'timestamptz', (row) => row.startedAt],
  ['execution_id', 'uuid', (row) => row.executionId],
  ['install_id', 'uuid', (row) => row.installId],
  ['extension_id', 'uuid', (row) => row.extensionId],
  ['version_id', 'uuid', (row) => row.versionId],
  ['content_hash', 'text', (row) => row.contentHash],
  ['request_id', 'text', (row) => row.requestId],
  ['trace_id', 'uuid', (row) => row.traceId ?? null],
  ['trigger', 'text', (row) => row.trigger],
  ['method', 'text', (row) => row.method],
  ['path', 'text', (row) => row.path],
  ['principal', 'text', (row) => row.principal],
  ['request_bytes', 'bigint', (row) => row.requestBytes],
];
const END: Columns<End> = [
  ['tenant_id', 'uuid', (row) => row.tenantId],
  ['started_at', 'timestamptz', (row) => row.startedAt],
  ['execution_id', 'uuid', (row) => row.executionId],
  ['status', 'text', (row) => row.status],
  ['http_status', 'integer', (row) => row.httpStatus],
  ['error_code', 'text', (row) => row.errorCode ?? null],
  // PostgreSQL holds no such character.
  ['exception', 'text', (row) => row.exception?.replaceAll('\0', '\u{fffd}') ?? null],
  ['duration_ms', 'double precision', (row) => row.durationMs],
  ['cpu_ms', 'double precision', (row) => measured(row.cpuMs)],
  ['fuel', 'bigint', (row) => measured(row.fuel)],
  ['memory_bytes', 'bigint', (row) => measured(row.memoryBytes)],
  ['response_bytes', 'bigint', (row) => row.responseBytes],
];
const KEY = ['tenant_id', 'started_at', 'execution_id'];

const namesOf = <Row>(columns: Columns<Row>): string => columns.map(([name]) => name).join(', ');
const listsOf = <Row>(columns: Columns<Row>): string => columns.map(([, type]) => `?::${type}[]`).join(', ');
const valuesOf = <Row>(columns: Columns<Row>, rows: readonly Row[]): unknown[] =>
  columns.map(([, , of]) => rows.map(of));

const INSERT = `insert into extension_execution_log (${namesOf(BEGIN)}) select * from unnest(${listsOf(BEGIN)})`;
// The bounds are what partitions are left out by.
const UPDATE = `update extension_execution_log l
    set ${END.map(([name]) => name)
      .filter((name) => !KEY.includes(name))
      .map((name) => `${name} = e.${name}`)
      .join(', ')}
   from unnest(${listsOf(END)}) as e (${namesOf(END)})
  where ${KEY.map((name) => `l.${name} = e.${name}`).join(' and ')}
    and l.status = 'running' and l.started_at between ? and ?`;

async function insertAll(db: Knex, rows: readonly Begin[]): Promise<void> {
  // Named, so that each connection parses it once.
  await db.raw(INSERT, valuesOf(BEGIN, rows) as Knex.RawBinding[]).options({ name: 'begin-executions' });
}

async function endAll(db: Knex, rows: readonly End[]): Promise<void> {
  const times = rows.map(({ startedAt }) => startedAt.getTime());
  const bounds = [new Date(Math.min(...times)), new Date(Math.max(...times))];
  const values = [...valuesOf(END, rows), ...bounds] as Knex.RawBinding[];
  await db.raw(UPDATE, values).options({ name: 'end-executions' });
}

/** As columns and readers hold it, whatever was claimed: a figure that cannot be must not keep a row from being ended. */
function measured(figure: number | undefined): number | null {
  if (figure === undefined || Number.isNaN(figure)) return null;
  return Math.min(Math.max(figure, 0), Number.MAX_SAFE_INTEGER);
}

function keyOf(
  tenantId: string,
  executionId: string,
): { tenant_id: string; started_at: Date; execution_id: string } {
  return { tenant_id: tenantId, started_at: startOf(executionId), execution_id: executionId };
}

function startOf(executionId: string): Date {
  const startedAt = timeOfUuid(executionId);
  if (!startedAt) throw new PlatformError('INTERNAL', `execution id ${executionId} is no UUIDv7`);
  return startedAt;
}

function toExecution(row: ExecutionRow): Execution {
  return {
    executionId: row.execution_id,
    installId: row.install_id,
    extensionId: row.extension_id,
    versionId: row.version_id,
    contentHash: row.content_hash,
    requestId: row.request_id,
    ...(row.trace_id != null && { traceId: row.trace_id.replaceAll('-', '') }),
    trigger: row.trigger,
    method: row.method,
    path: row.path,
    principal: row.principal,
    status: row.status,
    ...(row.http_status !== null && { httpStatus: row.http_status }),
    ...(row.error_code !== null && { errorCode: row.error_code }),
    ...(row.duration_ms !== null && { durationMs: row.duration_ms }),
    ...(row.cpu_ms !== null && { cpuMs: row.cpu_ms }),
    ...(row.fuel !== null && { fuel: row.fuel }),
    ...(row.memory_bytes !== null && { memoryBytes: row.memory_bytes }),
    requestBytes: row.request_bytes,
    ...(row.response_bytes !== null && { responseBytes: row.response_bytes }),
    startedAt: row.started_at,
  };
}
