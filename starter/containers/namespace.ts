import { Connection, isGrpcServiceError } from '@temporalio/client';
import { msToTs } from '@temporalio/common/lib/time.js';
import { connectionOptions, type TemporalServer } from '../../platform/temporal/server.ts';

const ALREADY_EXISTS = 6;
const NOT_FOUND = 5;
const UNAVAILABLE = 14;
const DEADLINE_EXCEEDED = 4;

/** Registers the namespace unless it is there, which a server that registers none by us must have. */
export async function ensureNamespace(
  server: TemporalServer,
  namespace: string,
  retentionDays: number,
): Promise<void> {
  const connection = Connection.lazy({ ...connectionOptions(server), connectTimeout: 10_000 });
  try {
    await connection.ensureConnected();
    const there = connection.workflowService.describeNamespace({ namespace }).then(
      () => true,
      (cause: unknown) => {
        if (codeOf(cause) === NOT_FOUND) return false;
        throw cause;
      },
    );
    if (await there) return;
    await connection.workflowService.registerNamespace({
      namespace,
      workflowExecutionRetentionPeriod: msToTs(`${retentionDays} days`),
    });
  } catch (cause) {
    if (codeOf(cause) !== ALREADY_EXISTS) throw cause;
  } finally {
    await connection.close();
  }
}

/** It does not answer yet, or does not know everywhere what it was told a moment ago. */
export function isTemporalAway(cause: unknown): boolean {
  const code = codeOf(cause);
  return code === undefined || [NOT_FOUND, UNAVAILABLE, DEADLINE_EXCEEDED].includes(code);
}

function codeOf(cause: unknown): number | undefined {
  return isGrpcServiceError(cause) ? cause.code : undefined;
}
