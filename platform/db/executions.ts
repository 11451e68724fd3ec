import type { Knex } from 'knex';
import type { Trigger } from '../../core/execute.ts';
import { fetchPage, type Page, type PageRequest } from './page.ts';

export type ExecutionStatus = 'running' | 'succeeded' | 'failed';

/** One call, as it is written before dispatch. */
export interface NewExecution {
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
  httpStatus: number;
  errorCode?: string;
  durationMs: number;
  cpuMs?: number;
  fuel?: number;
  memoryBytes?: number;
  responseBytes: number;
}

export interface Execution extends NewExecution, Partial<ExecutionEnd> {
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

export function createExecutionStore(db: Knex) {
  return {
    async begin(tenantId: string, execution: NewExecution): Promise<void> {
      await db('extension_execution_log').insert({
        tenant_id: tenantId,
        execution_id: execution.executionId,
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
        .where({ tenant_id: tenantId, execution_id: executionId, status: 'running' })
        .update({
          status: end.errorCode === undefined ? 'succeeded' : 'failed',
          http_status: end.httpStatus,
          error_code: end.errorCode ?? null,
          duration_ms: end.durationMs,
          cpu_ms: end.cpuMs ?? null,
          fuel: end.fuel ?? null,
          memory_bytes: end.memoryBytes ?? null,
          response_bytes: end.responseBytes,
        });
    },

    async find(tenantId: string, executionId: string): Promise<Execution | undefined> {
      const row = (await db('extension_execution_log')
        .where({ tenant_id: tenantId, execution_id: executionId })
        .first()) as ExecutionRow | undefined;
      return row && toExecution(row);
    },

    /** Newest first. */
    list(tenantId: string, filter: ExecutionFilter, page: PageRequest): Promise<Page<Execution>> {
      const query = db('extension_execution_log').where({ tenant_id: tenantId }).select('*');
      if (filter.installId !== undefined) void query.where({ install_id: filter.installId });
      if (filter.status !== undefined) void query.where({ status: filter.status });
      if (filter.requestId !== undefined) void query.where({ request_id: filter.requestId });
      if (filter.since) void query.where('started_at', '>=', filter.since);
      if (filter.until) void query.where('started_at', '<', filter.until);
      if (filter.minDurationMs !== undefined) void query.where('duration_ms', '>=', filter.minDurationMs);
      return fetchPage(
        db,
        query,
        { time: 'started_at', id: 'execution_id', order: 'desc' },
        page,
        toExecution,
      );
    },
  };
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
