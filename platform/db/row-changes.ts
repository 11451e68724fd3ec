import type { Notifications } from './notifications.ts';

/** Tables whose changes are told: lifecycle rows, which change seldom. */
export type WatchedTable = 'extension_upload' | 'tenant_extension_install' | PlatformTable;
/** Of no tenant: NO_TENANT stands in its place. */
type PlatformTable = 'extension_trust' | 'extension_version' | 'extension_publisher';

export const NO_TENANT = '00000000-0000-0000-0000-000000000000';

/** Tells who waits for a row that it may have changed. */
export interface RowChanges {
  /**
   * Calls `wake` after each change of the row that is committed from now on, after a time in which changes could not be heard, and at
   * the end. Answers what stops that.
   */
  subscribe(tenantId: string, row: { table: WatchedTable; id: string }, wake: () => void): () => void;
  /** How many of a tenant wait. */
  waitingOf(tenantId: string): number;
  /** Nothing will be told any more: waiting has no point. */
  readonly closed: boolean;
}

export function createRowChanges(notifications: Pick<Notifications, 'on' | 'closed'>): RowChanges {
  const waiting = new Map<string, Set<() => void>>();
  const waitingByTenant = new Map<string, number>();
  const count = (tenantId: string, by: 1 | -1): void => {
    const now = (waitingByTenant.get(tenantId) ?? 0) + by;
    if (now === 0) waitingByTenant.delete(tenantId);
    else waitingByTenant.set(tenantId, now);
  };
  notifications.on('row_change', (row) => {
    const woken = row === undefined ? [...waiting.values()] : [waiting.get(row) ?? []];
    for (const wakes of woken) for (const wake of [...wakes]) wake();
  });

  return {
    subscribe(tenantId, { table, id }, wake) {
      const key = `${table} ${tenantId} ${id}`;
      const wakes = waiting.get(key) ?? new Set();
      waiting.set(key, wakes.add(wake));
      count(tenantId, 1);
      return () => {
        if (wakes.delete(wake)) count(tenantId, -1);
        if (wakes.size === 0 && waiting.get(key) === wakes) waiting.delete(key);
      };
    },
    waitingOf: (tenantId) => waitingByTenant.get(tenantId) ?? 0,
    get closed() {
      return notifications.closed;
    },
  };
}
