import { isPlatformError, PlatformError } from '../../core/errors.ts';
import { disableWorkflowId, installWorkflowId } from '../../core/ids.ts';
import type { InstallStatus, LifecycleKind } from '../../core/progress.ts';
import type { Install, InstallStore } from '../../platform/db/installs.ts';
import type { Principal } from '../principal.ts';
import type { WorkflowStarter } from '../workflow-starter.ts';
import type { InstallService } from './install-service.ts';
import { createOnceSettled } from './once-settled.ts';

interface Rule {
  from: readonly InstallStatus[];
  to: InstallStatus;
  /** Ends what runs, and is refused for nothing that does. */
  interrupts?: true;
}

const RULES: Record<LifecycleKind, Rule> = {
  enable: { from: ['disabled'], to: 'active' },
  disable: { from: ['active', 'paused', 'disabled'], to: 'disabled', interrupts: true },
  pause: { from: ['active'], to: 'paused' },
  resume: { from: ['paused'], to: 'active' },
};

export interface InstallLifecycleDeps {
  service: Pick<InstallService, 'find'>;
  installs: Pick<InstallStore, 'findByExtension'>;
  workflows: Pick<WorkflowStarter, 'operateInstall'>;
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
  operate(principal: Principal, installId: string, kind: LifecycleKind): Promise<Operated>;
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
    status === RULES[kind].to && operation === undefined;

  return {
    isAt,

    async operate({ tenantId, keyId: requestedBy }, installId, kind) {
      const install = await service.find(tenantId, installId);
      const { extensionId } = install;
      const workflowId =
        kind === 'disable' ? disableWorkflowId(installId) : installWorkflowId(tenantId, extensionId);
      if (isAt(kind, install)) return { outcome: 'already', workflowId };
      refuseUnfit(kind, install);
      const input = { tenantId, extensionId, installId, requestedBy };
      try {
        await onceSettled({ tenantId, extensionId }, () => workflows.operateInstall(kind, input));
        return { outcome: 'begun', workflowId };
      } catch (err) {
        if (!isPlatformError(err) || err.code !== 'TEMPORAL_OUTCOME_UNKNOWN') throw err;
        return { outcome: 'unknown', workflowId };
      }
    },
  };
}

function refuseUnfit(kind: LifecycleKind, { status, operation }: Install): void {
  const { from, to, interrupts } = RULES[kind];
  if (operation && operation.kind !== kind && !interrupts) {
    throw new PlatformError(
      'OPERATION_RUNNING',
      `another operation on this install is running: ${operation.kind}`,
      {
        details: { operation: operation.kind },
      },
    );
  }
  if (!from.includes(status)) {
    throw new PlatformError('STATE_CONFLICT', `an install that is ${status} cannot become ${to} by ${kind}`);
  }
}
