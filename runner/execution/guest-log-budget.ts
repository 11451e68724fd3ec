import type { Logger } from '../../platform/logger.ts';

const WINDOW_MS = 60_000;

export interface GuestLogBudget {
  /** Whether a tenant may write so many bytes now. If not, `lines` are counted as dropped. */
  take: (tenantId: string, bytes: number, lines: number) => boolean;
  /** One line for each tenant that had some dropped; a new window begins. */
  report: () => void;
}

/**
 * Bytes of guests' lines per tenant and window of a minute, so that no tenant fills the log that all share. It remembers the tenants of
 * one window, and nothing of the one before.
 */
export function createGuestLogBudget({
  logger,
  bytesPerMinute,
}: {
  logger: Logger;
  bytesPerMinute: number;
}): GuestLogBudget {
  const tenants = new Map<string, { left: number; dropped: number }>();
  let windowEnd: NodeJS.Timeout | undefined;

  const report = (): void => {
    clearTimeout(windowEnd);
    windowEnd = undefined;
    for (const [tenantId, { dropped }] of tenants) {
      if (dropped > 0)
        logger.warn({ tenantId, dropped, bytesPerMinute }, "lines of the tenant's guests were dropped");
    }
    tenants.clear();
  };

  return {
    take(tenantId, bytes, lines) {
      windowEnd ??= setTimeout(report, WINDOW_MS).unref();
      const tenant = tenants.get(tenantId) ?? { left: bytesPerMinute, dropped: 0 };
      tenants.set(tenantId, tenant);
      const fits = bytes <= tenant.left;
      if (fits) tenant.left -= bytes;
      else tenant.dropped += lines;
      return fits;
    },
    report,
  };
}
