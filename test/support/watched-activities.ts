import { ApplicationFailure } from '@temporalio/common';

/** Activities that a test can hold, fail, and have lose their answers. */
export interface WatchedActivities {
  /** Names of the activities that were run, each attempt. */
  calls: string[];
  /** Called before an activity does anything. */
  before: (name: string) => void | Promise<void>;
  /** Called when one has done its work, before it answers. */
  after: (name: string) => void | Promise<void>;
  /** Of these the first answer is lost: the activity has done its work, and its worker cannot say so. */
  lost: Set<string>;
  /** Settles once no attempt is at work: also one that its workflow did not wait for may have landed late. */
  landed(): Promise<void>;
  reset: () => void;
}

type Activities<Real> = { [Name in keyof Real]: (input: never) => Promise<unknown> };

/** The same activities, watched, for a worker. */
export function watchActivities<Real extends Activities<Real>>(
  real: Real,
): { watched: WatchedActivities; activities: Activities<Record<string, unknown>> } {
  const atWork = new Set<Promise<unknown>>();
  const watched: WatchedActivities = {
    calls: [],
    before: () => undefined,
    after: () => undefined,
    lost: new Set(),
    async landed() {
      while (atWork.size > 0) await Promise.allSettled(atWork);
    },
    reset() {
      watched.calls.length = 0;
      watched.before = () => undefined;
      watched.after = () => undefined;
      watched.lost.clear();
    },
  };
  const attempt = async (name: keyof Real & string, input: never): Promise<unknown> => {
    watched.calls.push(name);
    await watched.before(name);
    const result = await real[name](input);
    await watched.after(name);
    if (watched.lost.delete(name)) throw lostAnswer();
    return result;
  };
  const names = Object.keys(real) as (keyof Real & string)[];
  const activities = names.map((name) => [
    name,
    (input: never) => {
      const running = attempt(name, input).finally(() => atWork.delete(running));
      atWork.add(running);
      return running;
    },
  ]);
  return { watched, activities: Object.fromEntries(activities) as Activities<Record<string, unknown>> };
}

/** Tried again as soon as the server can: how long a policy would have it wait is nothing that these tests are about. */
function lostAnswer(): ApplicationFailure {
  const message = 'the answer is lost';
  return ApplicationFailure.create({ message, type: 'DATABASE_UNAVAILABLE', nextRetryDelay: '1 ms' });
}
