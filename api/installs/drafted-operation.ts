import { isPlatformError } from '../../core/errors.ts';
import type { InstallDraftStore } from '../../platform/db/install-drafts.ts';
import type { InstallStore } from '../../platform/db/installs.ts';
import { onceBegun } from '../once-begun.ts';
import { createOnceSettled } from './once-settled.ts';
import type { DraftWriter, DraftContent } from './write-draft.ts';

export interface DraftedOperationDeps {
  writeDraft: DraftWriter;
  drafts: Pick<InstallDraftStore, 'withdraw' | 'wasApplied'>;
  installs: Pick<InstallStore, 'findByExtension'>;
}

interface Ids {
  draftId: string;
  installId: string;
}

/**
 * Starts an operation on an install with the config and secrets it needs in a draft, and answers which install it works on. The draft goes again
 * if nobody will take it up: nothing was begun, the operation was refused, or another's is joined. Where that is not known
 * (`begun: false`) it stays, and the same request sent again joins what has begun.
 */
export type DraftedOperation = (
  install: { tenantId: string; extensionId: string },
  change: DraftContent,
  start: (ids: Ids) => Promise<Partial<Ids>>,
) => Promise<Ids & { begun: boolean }>;

export function createDraftedOperation({
  writeDraft,
  drafts,
  installs,
}: DraftedOperationDeps): DraftedOperation {
  const onceSettled = createOnceSettled(installs);

  return async (install, change, start) => {
    const { created, ...ids } = await writeDraft(install.tenantId, change);
    /** A start that was sent twice may be refused for its own twin: what the draft did decides, and taken back it does nothing. */
    const cameToNothing = (): Promise<boolean> =>
      created
        ? drafts.withdraw(install.tenantId, ids.draftId)
        : drafts.wasApplied(install.tenantId, ids.draftId).then((applied) => !applied);
    try {
      const started = await onceSettled(install, () => start(ids));
      const joined = started.draftId !== undefined && started.draftId !== ids.draftId;
      if (joined && created) await drafts.withdraw(install.tenantId, ids.draftId);
      return { ...ids, ...started, begun: true };
    } catch (err) {
      const isUnknown = isPlatformError(err) && err.code === 'TEMPORAL_OUTCOME_UNKNOWN';
      if (isUnknown) return { ...ids, begun: false };
      const nothing = await onceBegun(cameToNothing());
      if (nothing === true) throw err;
      return { ...ids, begun: nothing === false };
    }
  };
}
