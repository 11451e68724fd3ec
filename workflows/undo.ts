import { log } from '@temporalio/workflow';

/** What takes back the steps of a workflow. */
export interface Undo<Name extends string> {
  /** Registered before its step: one that was cut off may still have worked. So each undo bears finding nothing to undo. */
  register(step: Name, run: () => Promise<void>): void;
  /** Runs them, the last registered first, and answers the steps that are undone. Call it in a non-cancellable scope. */
  rollBack(): Promise<Name[]>;
}

export function createUndo<Name extends string>(): Undo<Name> {
  const registered: { step: Name; run: () => Promise<void> }[] = [];
  return {
    register(step, run) {
      registered.unshift({ step, run });
    },
    async rollBack() {
      const undone: Name[] = [];
      for (const { step, run } of registered) {
        try {
          await run();
          undone.push(step);
        } catch (error) {
          // One that cannot be undone must not keep the others from being tried.
          log.error('an undo failed', { step, error });
        }
      }
      return undone;
    },
  };
}
