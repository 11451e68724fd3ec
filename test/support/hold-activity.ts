import type { WatchedActivities } from './watched-activities.ts';

/** Holds every attempt at an activity, before it does anything or before it answers, until it is let go. */
export function holdActivity(
  on: WatchedActivities,
  activity: string,
  when: 'before' | 'after' = 'before',
): { reached: Promise<undefined>; release: () => void } {
  const reached = Promise.withResolvers<undefined>();
  const released = Promise.withResolvers<undefined>();
  on[when] = async (name) => {
    if (name !== activity) return;
    reached.resolve(undefined);
    await released.promise;
  };
  return { reached: reached.promise, release: () => released.resolve(undefined) };
}
