import { isPlatformError, PlatformError } from '../../core/errors.ts';
import { operationWorkflowId, purgeWorkflowId } from '../../core/ids.ts';
import type { InstallStatus, LifecycleKind } from '../../core/progress.ts';
import type { Install, InstallStore } from '../../platform/db/installs.ts';
import type { Principal } from '../principal.ts';
import type { WorkflowStarter } from '../workflow-starter.ts';
import type { InstallService } from './install-service.ts';
import { createOnceSettled } from './once-settled.ts';

interface Rule {
  from: readonly InstallStatus[];
  /** What the install is when it has ended well. */
  to: readonly InstallStatus[];
  /** Ends what runs, and is refused for nothing that does. */
  interrupts?: true;
}

const RULES: Record<LifecycleKind, Rule> = {
  enable: { from: ['disabled'], to: ['active'] },
  disable: { from: ['active', 'paused', 'disabled', 'quarantined'], to: ['disabled'], interrupts: true },
  pause: { from: ['active'], to: ['paused'] },
  resume: { from: ['paused'], to: ['active'] },
  uninstall: {
    from: [
      'installing',
      'awaiting-consent',
      'awaiting-settings',
      'active',
      'disabled',
      'paused',
      'quarantined',
      'uninstalling',
    ],
    to: ['uninstalled', 'failed', 'declined'],
    interrupts: true,
  },
  restore: { from: ['uninstalled', 'uninstalling'], to: ['active', 'paused', 'disabled', 'quarantined'] },
};

export interface InstallLifecycleDeps {
  service: Pick<InstallService, 'find'>;
  installs: Pick<InstallStore, 'findByExtension'>;
  workflows: Pick<WorkflowStarter, 'operateInstall' | 'purgeNow'>;
}

/** `already`: it is so. `begun`: the row shows it. `unknown`: Temporal may have taken it, or may yet. */
export interface Operated {
  outcome: 'already' | 'begun' | 'unknown';
  workflowId: string;
}

export interface InstallLifecycle {
  /**
   * Starts an operation on an install that is there, or joins the same one. Throws NOT_FOUND, STATE_CONFLICT if it cannot follow on what
   * the install is, OPERATION_RUNNING with what runs.
   */
  operate(
    principal: Principal,
    installId: string,
    kind: LifecycleKind,
    options?: { purgeNow?: boolean },
  ): Promise<Operated>;
  /** Whether the install is what the operation leads to. */
  isAt(kind: LifecycleKind, install: Install): boolean;
}

export function createInstallLifecycle({
  service,
  installs,
  workflows,
}: InstallLifecycleDeps): InstallLifecycle {
  const onceSettled = createOnceSettled(installs);
  const isAt: InstallLifecycle['isAt'] = (kind, { status, operation }) =>
    RULES[kind].to.includes(status) && operation === undefined;

  return {
    isAt,

    async operate({ tenantId, keyId: requestedBy }, installId, kind, { purgeNow = false } = {}) {
      const install = await service.find(tenantId, installId);
      const { extensionId, extension } = install;
      const ids = { tenantId, extensionId, installId };
      const begin = async (workflowId: string, start: () => Promise<unknown>): Promise<Operated> => {
        try {
          await start();
          return { outcome: 'begun', workflowId };
        } catch (err) {
          if (!isPlatformError(err) || err.code !== 'TEMPORAL_OUTCOME_UNKNOWN') throw err;
          return { outcome: 'unknown', workflowId };
        }
      };
      if (purgeNow && install.purgeAt) {
        return begin(purgeWorkflowId(installId), () =>
          workflows.purgeNow({ ...ids, extension, requestedBy }),
        );
      }
      const workflowId = operationWorkflowId(kind, ids);
      // Nothing but an uninstalled one can be restored.
      if (kind !== 'restore' && isAt(kind, install)) return { outcome: 'already', workflowId };
      refuseUnfit(kind, install);
      const input = { ...ids, extension, requestedBy, ...(purgeNow && { purgeNow }) };
      return begin(workflowId, () => onceSettled(ids, () => workflows.operateInstall(kind, input)));
    },
  };
}

function refuseUnfit(kind: LifecycleKind, { status, operation, purgeAt }: Install): void {
  const { from, interrupts } = RULES[kind];
  if (operation && operation.kind !== kind && !interrupts) {
    throw new PlatformError(
      'OPERATION_RUNNING',
      `another operation on this install is running: ${operation.kind}`,
      {
        details: { operation: operation.kind },
      },
    );
  }
  if (kind === 'restore' && status === 'uninstalled' && !purgeAt) {
    throw new PlatformError(
      'STATE_CONFLICT',
      'what the install held was removed; install the extension anew',
    );
  }
  if (!from.includes(status)) {
    throw new PlatformError('STATE_CONFLICT', `${kind} cannot follow on an install that is ${status}`);
  }
}
