import type { LifecycleActivities } from '../../activities/install-lifecycle.ts';
import { scriptActivities, type ActivityScript } from './activity-script.ts';

/** Activities of operations on an install that go well. */
export function fakeLifecycleActivities(): ActivityScript<LifecycleActivities> {
  const once = (): { attempts: number } => ({ attempts: 1 });
  return scriptActivities<LifecycleActivities>({
    openOperation: () => ({
      versionId: '00000000-0000-4000-8000-000000000001',
      version: '1.2.3',
      contentHash: `sha256:${'ab'.repeat(32)}`,
      health: '/health',
      attempts: 1,
    }),
    warmInstall: once,
    probeInstall: once,
    enableInstall: once,
    pauseInstall: once,
    resumeInstall: once,
    disableInstall: once,
    cancelOperation: once,
    drainInstall: once,
    endOperation: () => undefined,
  });
}
