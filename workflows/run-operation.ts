import { allHandlersFinished, CancellationScope, condition, setHandler } from '@temporalio/workflow';
import type { LifecycleActivities, OperationRef } from '../activities/install-lifecycle.ts';
import type { InstallRef } from '../activities/installs.ts';
import {
  OPERATION_STEPS,
  VERSION_STEPS,
  type LifecycleKind,
  type OperationStepName,
  type VersionChangeKind,
} from '../core/progress.ts';
import { activities } from './activities.ts';
import { failureReason, failureWithStory } from './failure-reason.ts';
import { answerOpened } from './install-operation.ts';
import { operationProgressQuery, type OperateInstallInput, type OperationProgress } from './messages.ts';
import { createOpening } from './opening.ts';
import { OWN_DATABASE } from './own-database.ts';
import { describeWorkflow, installAttributes } from './search-attributes.ts';
import { createSteps } from './steps.ts';
import { createUndo } from './undo.ts';

const { endOperation } = activities<LifecycleActivities>(OWN_DATABASE);

const STEPS = { ...OPERATION_STEPS, ...VERSION_STEPS };
type OperationKind = LifecycleKind | VersionChangeKind;
type StepsOf<Kind extends OperationKind> = (typeof STEPS)[Kind][number];

/** What an operation's story is told with. */
export interface Operation<Name extends OperationStepName> {
  /** Runs one step; its activity gets whose row it shows the steps in, and how they stand. */
  step: <Result extends { attempts: number }>(
    name: Name,
    activity: (shown: OperationRef) => Promise<Result>,
  ) => Promise<Result>;
  /** Says how a step is undone, before it: one that was cut off may still have worked. So it bears finding nothing to undo. */
  undo: (name: Name, takeBack: (ref: InstallRef) => Promise<void>) => void;
  /** Leaves the operation at a step to the workflow that waits for a person; nothing of it is undone. */
  leave: (name: Name, waitsAs: string, begin: (shown: OperationRef) => Promise<void>) => Promise<void>;
  /** The row is written: who asked is answered. */
  opened: () => void;
}

/**
 * Runs an operation on an install that is there. Each step's activity shows the steps in the row; the last one ends the operation there.
 * A failure ends it with its reason, unless the row is another operation's by then.
 */
export async function runOperation<Kind extends OperationKind>(
  kind: Kind,
  input: OperateInstallInput & { draftId?: string; digest?: string },
  story: (operation: Operation<StepsOf<Kind>>) => Promise<void>,
): Promise<OperationProgress> {
  const { tenantId, installId, draftId, digest = kind } = input;
  const steps = createSteps<OperationStepName>(STEPS[kind]);
  const undo = createUndo<OperationStepName>();
  const opening = createOpening();
  let over = false;
  let phase = 'done';
  const shown = (): OperationRef => ({ tenantId, installId, kind, steps: steps.list() });

  setHandler(operationProgressQuery, () => {
    const step = steps.current();
    return { ...(step && { step }), steps: steps.list() };
  });
  const asked = { installId, digest, ...(draftId !== undefined && { draftId }) };
  answerOpened(kind, asked, opening, () => over);
  describeWorkflow({ ...installAttributes(input), ExtPhase: `${kind}: running` });

  try {
    await story({
      async step(name, activity) {
        steps.begin(name);
        const result = await steps.attempt(() => activity(shown()));
        steps.done();
        return result;
      },
      undo: (name, takeBack) => undo.register(name, () => takeBack({ tenantId, installId })),
      async leave(name, waitsAs, begin) {
        steps.begin(name);
        steps.note(`Left to the workflow \`${waitsAs}\`, which waits for an admin.`);
        await CancellationScope.nonCancellable(() => begin(shown()));
        phase = `waits at ${name}`;
      },
      opened: () => opening.succeeded(),
    });
    opening.succeeded();
    describeWorkflow({ ExtPhase: `${kind}: ${phase}` });
    return { steps: steps.list() };
  } catch (err) {
    const error = failureReason(err);
    steps.fail(error);
    await CancellationScope.nonCancellable(async () => {
      await undo.rollBack(steps);
      await endOperation({ ...shown(), error });
    });
    opening.failed(err);
    describeWorkflow({ ExtPhase: `${kind}: failed` });
    throw failureWithStory(err, steps.list());
  } finally {
    over = true;
    await CancellationScope.nonCancellable(() => condition(allHandlersFinished));
  }
}
