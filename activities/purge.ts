import type { PurgeStore } from '../platform/db/purge.ts';
import { withHeartbeat } from './heartbeat.ts';
import type { InstallRef } from './installs.ts';

export type PurgeActivities = ReturnType<typeof createPurgeActivities>;

/** What removes an uninstalled install's data. Each may run twice: the second time finds nothing to do and answers the same. */
export function createPurgeActivities({ purges }: { purges: PurgeStore }) {
  return {
    /** RFC 3339; absent if there is nothing to purge. */
    async readPurge({ tenantId, installId }: InstallRef): Promise<{ purgeAt?: string }> {
      const at = await purges.find(tenantId, installId);
      return at ? { purgeAt: at.toISOString() } : {};
    },

    /** The grace is over. */
    async hastenPurge({ tenantId, installId }: InstallRef): Promise<void> {
      await purges.hasten(tenantId, installId);
    },

    /** Whether the install is to be purged, and can no longer be restored. */
    async beginPurge({ tenantId, installId }: InstallRef): Promise<{ begun: boolean }> {
      return { begun: await purges.begin(tenantId, installId) };
    },

    async purgeExecutions({ tenantId, installId }: InstallRef): Promise<void> {
      await untilNone(() => purges.removeExecutions(tenantId, installId));
    },

    async purgeRecords({ tenantId, installId }: InstallRef): Promise<void> {
      await untilNone(() => purges.removeRecords(tenantId, installId));
    },

    /** Config, secrets, grants and drafts; the row then shows that there is nothing left. */
    async finishPurge({ tenantId, installId }: InstallRef): Promise<void> {
      await purges.finish(tenantId, installId);
    },
  };
}

async function untilNone(some: () => Promise<number>): Promise<void> {
  await withHeartbeat(async (signal) => {
    while ((await some()) > 0) signal.throwIfAborted();
  });
}
