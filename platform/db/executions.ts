import type { Knex } from 'knex';
import type { Trigger } from '../../core/execute.ts';
import { PlatformError } from '../../core/errors.ts';
import { timeOfUuid } from '../../core/ids.ts';
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
  trigger: Trigger;
  method: string;
  path: string;
  principal: string;
  status: ExecutionStatus;
  http_status: number | null;
  error_code: string | null;
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

/** Partitioned by day: a row is found by tenant, start and id, and the id tells the start. */
export function createExecutionStore(db: Knex) {
  return {
    async begin(tenantId: string, execution: NewExecution): Promise<void> {
      await db('extension_execution_log').insert({
        ...keyOf(tenantId, execution.executionId),
        install_id: execution.installId,
        extension_id: execution.extensionId,
        version_id: execution.versionId,
        content_hash: execution.contentHash,
        request_id: execution.requestId,
        trigger: execution.trigger,
        method: execution.method,
        path: execution.path,
        principal: execution.principal,
        request_bytes: execution.requestBytes,
      });
    },

    /** The first end stays. */
    async end(tenantId: string, executionId: string, end: ExecutionEnd): Promise<void> {
      await db('extension_execution_log')
        .where({ ...keyOf(tenantId, executionId), status: 'running' })
        .update({
          status: end.status,
          http_status: end.httpStatus,
          error_code: end.errorCode ?? null,
          duration_ms: end.durationMs,
          cpu_ms: measured(end.cpuMs),
          fuel: measured(end.fuel),
          memory_bytes: measured(end.memoryBytes),
          response_bytes: end.responseBytes,
        });
    },

    async find(tenantId: string, executionId: string): Promise<Execution | undefined> {
      const found = timeOfUuid(executionId)
        ? db('extension_execution_log').where(keyOf(tenantId, executionId))
        : // An id that does not tell its time is from before there were partitions.
          db('extension_execution_log_legacy').where({ tenant_id: tenantId, execution_id: executionId });
      const row = (await found.first()) as ExecutionRow | undefined;
      return row && toExecution(row);
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

/** As columns and readers hold it, whatever was claimed: a figure that cannot be must not keep a row from being ended. */
function measured(figure: number | undefined): number | null {
  if (figure === undefined || Number.isNaN(figure)) return null;
  return Math.min(Math.max(figure, 0), Number.MAX_SAFE_INTEGER);
}

function keyOf(
  tenantId: string,
  executionId: string,
): { tenant_id: string; started_at: Date; execution_id: string } {
  const startedAt = timeOfUuid(executionId);
  if (!startedAt) throw new PlatformError('INTERNAL', `execution id ${executionId} is no UUIDv7`);
  return { tenant_id: tenantId, started_at: startedAt, execution_id: executionId };
}

function toExecution(row: ExecutionRow): Execution {
  return {
    executionId: row.execution_id,
    installId: row.install_id,
    extensionId: row.extension_id,
    versionId: row.version_id,
    contentHash: row.content_hash,
    requestId: row.request_id,
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
