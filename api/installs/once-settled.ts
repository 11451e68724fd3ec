import { setTimeout as delay } from 'node:timers/promises';
import { isPlatformError } from '../../core/errors.ts';
import type { InstallStore } from '../../platform/db/installs.ts';

/** An operation that the row says is over has left Temporal within this. */
const SETTLE_WITHIN_MS = 5_000;
const SETTLE_PAUSE_MS = 50;

/**
 * Starts an operation, again and again while one is in its way of which the row says that it is over: the row shows an end before the
 * workflow has ended, and who reads it there may ask for the next operation at once.
 */
export type OnceSettled = <Started>(
  install: { tenantId: string; extensionId: string },
  start: () => Promise<Started>,
) => Promise<Started>;

export function createOnceSettled(installs: Pick<InstallStore, 'findByExtension'>): OnceSettled {
  return async ({ tenantId, extensionId }, start) => {
    const deadline = performance.now() + SETTLE_WITHIN_MS;
    for (;;) {
      try {
        return await start();
      } catch (err) {
        if (!isPlatformError(err) || err.code !== 'OPERATION_RUNNING') throw err;
        const install = await installs.findByExtension(tenantId, extensionId);
        if (!install || install.operation || performance.now() > deadline) throw err;
        await delay(SETTLE_PAUSE_MS);
      }
    }
  };
}
