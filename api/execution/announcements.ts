import { CAPABILITY_NAMES, capabilityEntry } from '../../core/capabilities.ts';
import type { RunnerAnnouncement } from '../../core/execute.ts';
import type { Logger } from '../../platform/logger.ts';

/** From here on it is asked again beside the calls, which go on with what is known; */
const FRESH_MS = 5_000;
/** from here on, which is after a pause, before one. */
const USABLE_MS = 10_000;

/** What one runner announced. It may be upgraded or rolled back while the gateway runs. */
export interface Announcements {
  /** At hand, but for the first call and one after a pause. Throws RUNNER_UNAVAILABLE if it was never heard. */
  current(): RunnerAnnouncement | Promise<RunnerAnnouncement>;
  /** Asked from now on, since it refused what it had announced. Throws RUNNER_UNAVAILABLE. */
  renewed(): Promise<RunnerAnnouncement>;
}

export interface AnnouncementDeps {
  ask: () => Promise<RunnerAnnouncement>;
  logger: Logger;
  now: () => number;
}

export function createAnnouncements({ ask, logger, now }: AnnouncementDeps): Announcements {
  let known: { announcement: RunnerAnnouncement; askedAt: number } | undefined;
  let asking: Promise<RunnerAnnouncement> | undefined;
  let askingNext: Promise<RunnerAnnouncement> | undefined;

  async function askOnce(): Promise<RunnerAnnouncement> {
    const askedAt = now();
    try {
      const announcement = await ask();
      tellChange(known?.announcement, announcement, logger);
      known = { announcement, askedAt };
      return announcement;
    } catch (err) {
      // Not at every call: whether it is away, the call itself finds out, and a refusal says if it knows less than it did.
      if (known) known.askedAt = askedAt;
      throw err;
    } finally {
      asking = undefined;
    }
  }
  const heard = (): Promise<RunnerAnnouncement> => (asking ??= askOnce());
  /** What is under way may be answered by the one before it at its address. */
  const renewed = (): Promise<RunnerAnnouncement> => {
    if (!asking) return heard();
    askingNext ??= asking
      .catch(() => undefined)
      .then(() => {
        askingNext = undefined;
        return heard();
      });
    return askingNext;
  };

  return {
    renewed,
    current() {
      if (known === undefined) return heard();
      const { announcement, askedAt } = known;
      const age = now() - askedAt;
      if (age < FRESH_MS) return announcement;
      const newer = heard().catch(() => announcement);
      return age < USABLE_MS ? announcement : newer;
    },
  };
}

/** Operators hear of it: what is granted and not served is denied to guests. */
function tellChange(before: RunnerAnnouncement | undefined, now: RunnerAnnouncement, logger: Logger): void {
  const { limits, capabilities } = now;
  if (before && String([before.limits, before.capabilities]) === String([limits, capabilities])) return;
  logger.info({ limits, capabilities }, 'runner announced what it knows');
  const missing = CAPABILITY_NAMES.filter(
    (name) => capabilityEntry(name).provided && !capabilities.includes(name),
  );
  if (missing.length > 0) logger.warn({ missing }, 'runner does not serve what installs may be granted');
}
