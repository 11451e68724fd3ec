import { LIFECYCLE_TASK_QUEUE, PRECOMPILE_TASK_QUEUE, PROBE_TASK_QUEUE } from '../../core/ids.ts';
import { watchPolls } from '../../starter/services/temporal-server.ts';
import { waitFor } from '../../starter/wait-for.ts';
import type { RunningPlatform } from '../support/platform.ts';
import { ownPidOf } from './process-table.ts';
import { runningWorkflows, type RunningWorkflow } from './temporal.ts';
import type { TemporalConnection } from '../../platform/temporal/client.ts';

/** A publish may have four more before it, and a killed worker's tasks come back to another one only after their time. */
const QUIET_WITHIN_MS = 240_000;
const STEP_MS = 500;
/** What the schedule started within the last moment is no leftover. */
const HOUSEKEEPING = 'housekeeping';

/**
 * Waits until every process is ready and nothing runs but what waits: twice, since what was told to go on may not have begun. Answers what
 * keeps it from being quiet; nothing if it is.
 */
export async function untilQuiet(platform: RunningPlatform, temporal: TemporalConnection): Promise<string[]> {
  let noise: string[] = [];
  let quietLooks = 0;
  await waitFor(
    async () => {
      noise = await noiseOf(platform, temporal).catch((err: unknown) => [String(err)]);
      quietLooks = noise.length === 0 ? quietLooks + 1 : 0;
      return quietLooks === 2;
    },
    QUIET_WITHIN_MS,
    STEP_MS,
  );
  return noise;
}

async function noiseOf(platform: RunningPlatform, temporal: TemporalConnection): Promise<string[]> {
  const { local } = platform;
  const processes = platform.processes();
  const ready = await Promise.all([
    answersOk('gateway', `${local.gateway}/readyz`),
    answersOk('runner', `${local.runner}/readyz`),
    ...[
      ['lifecycle-worker', LIFECYCLE_TASK_QUEUE],
      ['lifecycle-worker', PROBE_TASK_QUEUE],
      ['precompile-worker', PRECOMPILE_TASK_QUEUE],
    ].map(async ([name = '', queue = '']) => {
      const pid = processes[name];
      const polls =
        pid !== undefined && (await watchPolls(local.temporal, queue, 'activity').ready(ownPidOf(pid)));
      return polls ? [] : [`${name} takes no tasks of ${queue}`];
    }),
  ]);
  const running = await runningWorkflows(temporal);
  const working = running.filter((workflow) => !waits(workflow) && workflow.type !== HOUSEKEEPING);
  return [...ready.flat(), ...working.map(({ workflowId }) => `${workflowId} runs`)];
}

/** For a person, or for the end of a grace. */
function waits({ type, phase }: RunningWorkflow): boolean {
  return ['awaitConsent', 'awaitSettings'].includes(type) || phase === 'purge: waiting';
}

async function answersOk(name: string, url: string): Promise<string[]> {
  const ok = await fetch(url, { signal: AbortSignal.timeout(5_000) }).then(
    async (response) => (await response.arrayBuffer(), response.ok),
    () => false,
  );
  return ok ? [] : [`${name} is not ready`];
}
