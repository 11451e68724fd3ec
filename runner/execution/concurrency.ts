import { createBoundedTurns } from '../../platform/bounded-turns.ts';

export interface ConcurrencyLimits {
  /** Executions and warm-ups of one tenant at once; as many again wait. */
  tenant: number;
  /** Executions of one install at once; as many again wait, and take no place of their tenant's. */
  install: number;
}

/** Lets work of a tenant and of an install run as long as both have places; the rest waits its turn. */
export interface Concurrency {
  /** Throws CONCURRENCY_LIMITED when too much waits already; what the signal throws if that aborts before the work's turn. */
  run<Result>(
    whose: { tenantId: string; installId?: string },
    signal: AbortSignal,
    work: () => Promise<Result>,
  ): Promise<Result>;
}

export function createConcurrency({ tenant, install }: ConcurrencyLimits): Concurrency {
  const ofTenants = createBoundedTurns({ atOnce: tenant, waiting: tenant });
  const ofInstalls = createBoundedTurns({ atOnce: install, waiting: install });
  return {
    run({ tenantId, installId }, signal, work) {
      const inTenant = () => ofTenants.run(tenantId, signal, work);
      return installId === undefined
        ? inTenant()
        : ofInstalls.run(`${tenantId} ${installId}`, signal, inTenant);
    },
  };
}
