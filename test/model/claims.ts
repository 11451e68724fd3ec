import { consentWorkflowId, installWorkflowId, purgeWorkflowId, settingsWorkflowId } from '../../core/ids.ts';
import type { InstallEvidence, ModelEvidence } from './evidence.ts';

/** What must be so of an install at rest; answers what is not. */
type Claim = (install: InstallEvidence, evidence: ModelEvidence) => string | false | undefined;

const ENDED = ['failed', 'declined'];
const AT_REST = ['active', 'disabled', 'paused', 'uninstalled', ...ENDED];
const WAITS = { 'awaiting-consent': 'consent', 'awaiting-settings': 'settings' } as const;

const CLAIMS: Record<string, Claim> = {
  'it has ended, is held back, serves, or waits for an admin of its tenant': ({ status, waitingFor }) => {
    const waits = status in WAITS ? WAITS[status as keyof typeof WAITS] : undefined;
    if (waits !== undefined) return waitingFor !== waits && `it is ${status} and waits for ${waitingFor}`;
    return !AT_REST.includes(status) && `it is ${status}`;
  },

  'at most one install of an extension lives in a tenant, and it serves one version at most': (
    install,
    { installs },
  ) => {
    const lives = ({ status }: InstallEvidence): boolean => ![...ENDED, 'uninstalled'].includes(status);
    const same = installs.filter((one) => one.tenantId === install.tenantId && lives(one));
    if (same.length > 1) return `${same.length} live`;
    const serves = ['active', 'paused', 'disabled'].includes(install.status);
    return serves !== (install.active !== null) && `it is ${install.status} with ${install.active}`;
  },

  'its operation runs in Temporal, and what runs there is its operation': (install, { running }) => {
    const own = (id: string): boolean => running.some(({ workflowId }) => workflowId === id);
    const { operation, installId, tenantId, extensionId, status } = install;
    if (operation) return `${operation.kind} is in the row`;
    if (own(`disable:${installId}`) || own(`uninstall:${installId}`)) return 'it is being stopped';
    const live = ![...ENDED, 'uninstalled'].includes(status);
    return live && own(installWorkflowId(tenantId, extensionId)) && 'an operation runs';
  },

  'what it waits for runs in Temporal, and nothing that it does not wait for': (install, { running }) => {
    const { installId, pending, waitingFor, purgeAt } = install;
    const wanted = [
      ...(waitingFor === 'consent' ? [consentWorkflowId(installId, pending ?? '')] : []),
      ...(waitingFor === 'settings' ? [settingsWorkflowId(installId, pending ?? '')] : []),
      ...(purgeAt ? [purgeWorkflowId(installId)] : []),
    ];
    const found = running
      .map(({ workflowId }) => workflowId)
      .filter((id) => /^(consent|settings|purge):/.test(id) && id.split(':')[1] === installId);
    return wanted.join() !== found.join() && `wanted is ${wanted.join()}, found ${found.join()}`;
  },

  'config and grants are those of the version that serves, of one that waits, or of one it can go back to': (
    install,
  ) => {
    const { active, pending, status, previous } = install;
    const isEnded = ENDED.includes(status);
    const known = isEnded ? [] : [active, ...(active === null ? [pending] : []), ...previous];
    const strange = [...install.configured, ...install.granted].filter((id) => !known.includes(id));
    if (strange.length > 0) return `there are some of ${strange.join()}`;
    return previous.includes(active ?? '') && 'it can go back to what it serves';
  },

  'secrets, records and executions are those of an install that is not over': (install) => {
    const { status, purgeAt, secrets, configured, granted, previous, data } = install;
    if (status === 'uninstalled' && purgeAt === null) {
      const left = secrets + configured.length + granted.length + previous.length + data;
      return left > 0 && `${left} are left after the purge`;
    }
    return ENDED.includes(status) && secrets > 0 && `${secrets} secrets are left`;
  },

  'a change of version is over, with what was staged for it': ({ changes, pending, waitingFor, active }) => {
    if (changes > 0) return 'something is staged';
    return active !== null && pending !== null && waitingFor === null && `${pending} is on its way`;
  },
};

export interface Broken {
  claim: string;
  what: string;
  install: InstallEvidence;
}

export function brokenClaims(evidence: ModelEvidence): Broken[] {
  return evidence.installs.flatMap((install) =>
    Object.entries(CLAIMS).flatMap(([claim, check]) => {
      const what = check(install, evidence);
      return typeof what === 'string' ? [{ claim, what, install }] : [];
    }),
  );
}
