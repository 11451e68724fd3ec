import { log } from '@temporalio/workflow';
import type { Steps } from './steps.ts';

/** What takes back the steps of a workflow. */
export interface Undo<Name extends string> {
  /** Registered before its step: one that was cut off may still have worked. So each undo bears finding nothing to undo. */
  register(step: Name, run: () => Promise<void>): void;
  /** Runs them, the last registered first, and has the steps show it. Call it in a non-cancellable scope. */
  rollBack(steps: Pick<Steps<Name>, 'undone' | 'note'>): Promise<void>;
}

export function createUndo<Name extends string>(): Undo<Name> {
  const registered: { step: Name; run: () => Promise<void> }[] = [];
  return {
    register(step, run) {
      registered.unshift({ step, run });
    },
    async rollBack(steps) {
      const left: Name[] = [];
      for (const { step, run } of registered) {
        try {
          await run();
          steps.undone(step);
        } catch (error) {
          // One that cannot be undone must not keep the others from being tried.
          log.error('an undo failed', { step, error });
          left.push(step);
          steps.note(
            `**Could not be undone: ${left.join(', ')}.** The failed undo in this history says why.`,
          );
        }
      }
    },
  };
}
