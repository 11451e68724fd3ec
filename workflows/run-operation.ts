import { allHandlersFinished, CancellationScope, condition, setHandler } from '@temporalio/workflow';
import type { LifecycleActivities, OperationRef } from '../activities/install-lifecycle.ts';
import { OPERATION_STEPS, type LifecycleKind, type OperationStepName } from '../core/progress.ts';
import { activities } from './activities.ts';
import { failureReason, failureWithStory } from './failure-reason.ts';
import { answerOpened } from './install-operation.ts';
import { operationProgressQuery, type OperateInstallInput, type OperationProgress } from './messages.ts';
import { createOpening } from './opening.ts';
import { OWN_DATABASE } from './own-database.ts';
import { describeWorkflow, installAttributes } from './search-attributes.ts';
import { createSteps } from './steps.ts';

const { endOperation } = activities<LifecycleActivities>(OWN_DATABASE);

/** What an operation's story is told with. */
export interface Operation<Name extends OperationStepName> {
  /** Runs one step; its activity gets whose row it shows the steps in, and how they stand. */
  step: <Result extends { attempts: number }>(
    name: Name,
    activity: (shown: OperationRef) => Promise<Result>,
  ) => Promise<Result>;
  /** The row is written: who asked is answered. */
  opened: () => void;
}

/**
 * Runs an operation on an install that is there. Each step's activity shows the steps in the row; the last one ends the operation there.
 * A failure ends it with its reason, unless the row is another operation's by then.
 */
export async function runOperation<Kind extends LifecycleKind>(
  kind: Kind,
  input: OperateInstallInput,
  story: (operation: Operation<(typeof OPERATION_STEPS)[Kind][number]>) => Promise<void>,
): Promise<OperationProgress> {
  const { tenantId, installId } = input;
  const steps = createSteps<OperationStepName>(OPERATION_STEPS[kind]);
  const opening = createOpening();
  let over = false;
  const shown = (): OperationRef => ({ tenantId, installId, kind, steps: steps.list() });

  setHandler(operationProgressQuery, () => {
    const step = steps.current();
    return { ...(step && { step }), steps: steps.list() };
  });
  answerOpened(kind, { installId, digest: kind }, opening, () => over);
  describeWorkflow({ ...installAttributes(input), ExtPhase: `${kind}: running` });

  try {
    await story({
      async step(name, activity) {
        steps.begin(name);
        const result = await steps.attempt(() => activity(shown()));
        steps.done();
        return result;
      },
      opened: () => opening.succeeded(),
    });
    opening.succeeded();
    describeWorkflow({ ExtPhase: `${kind}: done` });
    return { steps: steps.list() };
  } catch (err) {
    const error = failureReason(err);
    steps.fail(error);
    await CancellationScope.nonCancellable(() => endOperation({ ...shown(), error }));
    opening.failed(err);
    describeWorkflow({ ExtPhase: `${kind}: failed` });
    throw failureWithStory(err, steps.list());
  } finally {
    over = true;
    await CancellationScope.nonCancellable(() => condition(allHandlersFinished));
  }
}
