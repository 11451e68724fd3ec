import type { LifecycleActivities } from '../../activities/install-lifecycle.ts';
import type { VersionChangeActivities } from '../../activities/version-changes.ts';
import { scriptActivities, type ActivityScript } from './activity-script.ts';

const VERSION = {
  versionId: '00000000-0000-4000-8000-000000000001',
  version: '1.2.3',
  contentHash: `sha256:${'ab'.repeat(32)}`,
  health: '/health',
};

/** Activities of operations on an install that go well. */
export function fakeLifecycleActivities(): ActivityScript<LifecycleActivities> {
  const once = (): { attempts: number } => ({ attempts: 1 });
  return scriptActivities<LifecycleActivities>({
    openOperation: () => ({
      ...VERSION,
      attempts: 1,
    }),
    warmInstall: once,
    probeInstall: once,
    enableInstall: once,
    pauseInstall: once,
    resumeInstall: once,
    disableInstall: once,
    stopInstall: () => ({ waits: {}, attempts: 1 }),
    cancelOperation: once,
    uninstallInstall: once,
    restoreInstall: () => ({ ...VERSION, to: 'active', attempts: 1 }),
    drainInstall: once,
    endOperation: () => undefined,
  });
}

/** Activities of an upgrade or a roll-back that goes straight through. */
export function fakeVersionChangeActivities(): ActivityScript<VersionChangeActivities> {
  const once = (): { attempts: number } => ({ attempts: 1 });
  return scriptActivities<VersionChangeActivities>({
    openChange: () => ({ added: [], health: '/health', attempts: 1 }),
    stageUpgrade: () => ({ needed: [], attempts: 1 }),
    leaveUpgrade: () => undefined,
    switchVersion: once,
    verifyVersion: once,
    finishChange: once,
    switchBack: () => undefined,
    closeChange: () => undefined,
    withdrawUpgrade: () => undefined,
  });
}
