import { pendingSteps, type FailureReason, type Step } from '../core/progress.ts';
import { attemptsOf } from './failure-reason.ts';

/** The steps of a running workflow, as its query and its row show them. */
export interface Steps<Name extends string> {
  list(): Step<Name>[];
  /** The same as it will be once the current step has ended well: for the activity that ends both at once. */
  whenDone(): Step<Name>[];
  /** The step that runs or failed; undefined before the first and after the last. */
  current(): Name | undefined;
  begin(name: Name): void;
  /** Runs an activity of the current step and counts its attempts; how many it took is known when it ends. */
  attempt<Result extends { attempts: number }>(activity: () => Promise<Result>): Promise<Result>;
  /** Ends the current step well. */
  done(): void;
  /** Ends the current step, if one runs. */
  fail(reason: FailureReason): void;
  /** The effects of a step, whole or partial, are gone again. The one that failed stays failed. */
  undone(name: Name): void;
}

export function createSteps<Name extends string>(names: readonly Name[]): Steps<Name> {
  const steps = pendingSteps(names);
  let running: Step<Name> | undefined;

  const find = (name: Name): Step<Name> => {
    const step = steps.find((candidate) => candidate.name === name);
    if (!step) throw new TypeError(`there is no step ${name}`);
    return step;
  };
  // Date is the workflow's own clock: the same in a replay.
  const now = (): string => new Date().toISOString();

  return {
    // Copies, because activities and queries must show the steps as they were when asked.
    list: () => steps.map((step) => ({ ...step })),
    whenDone: () =>
      steps.map((step) => (step === running ? { ...step, status: 'done', endedAt: now() } : { ...step })),
    current: () => running?.name,
    begin(name) {
      running = find(name);
      running.status = 'running';
      running.startedAt = now();
    },
    async attempt(activity) {
      const step = running;
      if (!step) throw new TypeError('no step has begun');
      step.attempts += 1;
      try {
        const result = await activity();
        step.attempts += result.attempts - 1;
        return result;
      } catch (err) {
        step.attempts += attemptsOf(err) - 1;
        throw err;
      }
    },
    done() {
      if (!running) return;
      running.status = 'done';
      running.endedAt = now();
      running = undefined;
    },
    fail(reason) {
      if (!running) return;
      running.status = 'failed';
      running.endedAt = now();
      running.error = reason;
    },
    undone(name) {
      const step = find(name);
      if (step.status === 'done') step.status = 'undone';
    },
  };
}
