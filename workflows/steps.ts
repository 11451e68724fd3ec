import { setCurrentDetails } from '@temporalio/workflow';
import { pendingSteps, type FailureReason, type Step } from '../core/progress.ts';
import { storyText } from '../core/story.ts';
import { attemptsOf } from './failure-reason.ts';

/** The steps of a running workflow, as its query, its row and its current details in the Temporal UI show them. */
export interface Steps<Name extends string> {
  list(): Step<Name>[];
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
  /** What an operator should know beside the steps, from now on. */
  note(text: string | undefined): void;
}

export function createSteps<Name extends string>(names: readonly Name[]): Steps<Name> {
  const steps = pendingSteps(names);
  let running: Step<Name> | undefined;
  let note: string | undefined;
  const tell = (): void => setCurrentDetails(storyText(steps, note));
  tell();

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
    current: () => running?.name,
    begin(name) {
      running = find(name);
      running.status = 'running';
      running.startedAt = now();
      tell();
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
      tell();
    },
    fail(reason) {
      if (!running) return;
      running.status = 'failed';
      running.endedAt = now();
      running.error = reason;
      tell();
    },
    undone(name) {
      const step = find(name);
      if (step.status === 'done') step.status = 'undone';
      tell();
    },
    note(text) {
      note = text;
      tell();
    },
  };
}
