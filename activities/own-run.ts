import { activityInfo } from '@temporalio/activity';
import { PlatformError } from '../core/errors.ts';
import {
  stepsAtAttempt,
  stepsWhenDone,
  type InstallOperation,
  type InstallOperationKind,
  type Step,
} from '../core/progress.ts';
import type { ShownSteps } from '../platform/db/show-steps.ts';

/** What an activity of a step answers besides its result. */
export interface Done {
  attempts: number;
}

/** Id of the workflow run that this activity works for. */
export function runId(): string {
  return execution().runId;
}

/** The operation that this activity's workflow is, as it begins now. */
export function operationOf(kind: InstallOperationKind): InstallOperation {
  const { workflowId, runId: ownRunId } = execution();
  return { kind, workflowId, runId: ownRunId, startedAt: new Date().toISOString() };
}

export function attempts(): Done {
  return { attempts: activityInfo().attempt };
}

/** The steps while this activity, which is the step that runs, is at work. */
export function underWay<Name extends string>(steps: Step<Name>[]): Step<Name>[] {
  return stepsAtAttempt(steps, activityInfo().attempt);
}

/** The steps once this activity has done its own. */
export function done<Name extends string>(steps: Step<Name>[]): Step<Name>[] {
  return stepsWhenDone(underWay(steps), new Date().toISOString());
}

/** The same for this run's row. */
export function shownDone(steps: Step[]): ShownSteps {
  return { runId: runId(), steps: done(steps) };
}

function execution(): { workflowId: string; runId: string } {
  const { workflowExecution } = activityInfo();
  if (!workflowExecution) throw new PlatformError('INTERNAL', 'the activity has no workflow');
  return workflowExecution;
}
