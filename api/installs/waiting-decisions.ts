import type { ConsentItem } from '../../core/api/installs.ts';
import { isPlatformError, PlatformError } from '../../core/errors.ts';
import { installWorkflowId } from '../../core/ids.ts';
import type { Install } from '../../platform/db/installs.ts';
import type { ExtensionVersion } from '../../platform/db/registry.ts';
import type { ConsentDecision } from '../../workflows/messages.ts';
import type { Principal } from '../principal.ts';
import type { WorkflowStarter } from '../workflow-starter.ts';
import { readConsent } from './consent.ts';

export interface WaitingDecisionsDeps {
  find: (tenantId: string, installId: string) => Promise<Install>;
  versionById: (versionId: string) => Promise<ExtensionVersion>;
  workflows: Pick<WorkflowStarter, 'decideConsent' | 'decideSettings'>;
}

export interface WaitingDecisions {
  /** Throws STATE_CONFLICT while the install does not wait for consent; a wait for settings can be declined as well. */
  decideConsent(
    principal: Principal,
    installId: string,
    decision: {
      decision: ConsentDecision['decision'];
      capabilities?: readonly ConsentItem[] | undefined;
    },
  ): Promise<{ workflowId: string }>;
  /** Ends the wait of a version for a person. */
  decline(principal: Principal, install: Install): Promise<void>;
}

/** What an admin says to a version that waits for a person. */
export function createWaitingDecisions({
  find,
  versionById,
  workflows,
}: WaitingDecisionsDeps): WaitingDecisions {
  async function decline({ keyId: decidedBy }: Principal, { installId, pending }: Install): Promise<void> {
    if (!pending?.waitingFor) return;
    const waiting = { installId, versionId: pending.versionId };
    const declined = { decidedBy, decision: 'decline' } as const;
    await asFarAsKnown(
      pending.waitingFor === 'consent'
        ? workflows.decideConsent(waiting, declined)
        : workflows.decideSettings(waiting, declined),
    );
  }

  return {
    async decideConsent(principal, installId, { decision, capabilities }) {
      const { tenantId, keyId: decidedBy } = principal;
      const install = await find(tenantId, installId);
      const { extensionId, status, pending } = install;
      const workflowId = installWorkflowId(tenantId, extensionId);
      if (pending?.waitingFor === 'settings' && decision === 'decline') {
        await decline(principal, install);
        return { workflowId };
      }
      if (pending?.waitingFor !== 'consent') {
        throw new PlatformError('STATE_CONFLICT', `an install that is ${status} awaits no consent`);
      }
      const { versionId } = pending;
      const { manifest } = await versionById(versionId);
      const consented = capabilities && readConsent(manifest, capabilities, 'capabilities');
      const narrowed = consented?.narrowed ?? [];
      const decided = {
        decision,
        ...(consented && { capabilities: consented.names }),
        ...(narrowed.length > 0 && { narrowed }),
        decidedBy,
      };
      await asFarAsKnown(workflows.decideConsent({ installId, versionId }, decided));
      return { workflowId };
    },

    decline,
  };
}

/** Where it is not known whether Temporal took a decision, the install shows what came of it. */
async function asFarAsKnown(decided: Promise<unknown>): Promise<void> {
  await decided.catch((err: unknown) => {
    if (!isPlatformError(err) || err.code !== 'TEMPORAL_OUTCOME_UNKNOWN') throw err;
  });
}
