import type { Logger } from '../../platform/logger.ts';

/** While calls fail for want of an artifact, its precompile is asked for again this often. */
const MISSING_EVERY_MS = 30_000;
/** Refreshing what runs is recompileAll's work: a runner asks only now and then, so that a restart is no rush. */
const OUTDATED_EVERY_MS = 10_000;
const REMEMBERED_HASHES = 10_000;

/** `missing`: nothing to run; `outdated`: what runs is of a previous target or key. Answers at once; how it went is logged. */
export type AskForArtifact = (contentHash: string, need: 'missing' | 'outdated') => void;

export interface ArtifactRequestsDeps {
  /** Starts or joins the precompile for the current target. */
  requestPrecompile: (contentHash: string) => Promise<void>;
  logger: Logger;
  /** Milliseconds of a clock that does not jump. */
  now: () => number;
}

/** Asks the gateway to have artifacts made: an outdated one once, one of them at a time; a missing one again and again. */
export function createArtifactRequests({
  requestPrecompile,
  logger,
  now,
}: ArtifactRequestsDeps): AskForArtifact {
  const askedAt = new Map<string, number>(); // in the order of asking
  let outdatedAt = -Infinity;

  const isDue = (contentHash: string, need: 'missing' | 'outdated', at: number): boolean => {
    const before = askedAt.get(contentHash);
    if (need === 'missing') return before === undefined || at - before >= MISSING_EVERY_MS;
    if (before !== undefined || at - outdatedAt < OUTDATED_EVERY_MS) return false;
    outdatedAt = at;
    return true;
  };

  return (contentHash, need) => {
    const at = now();
    if (!isDue(contentHash, need, at)) return;
    askedAt.delete(contentHash);
    askedAt.set(contentHash, at);
    const [oldest] = askedAt.keys();
    if (askedAt.size > REMEMBERED_HASHES && oldest !== undefined) askedAt.delete(oldest);
    requestPrecompile(contentHash).then(
      () => logger.info({ contentHash, need }, 'precompile requested'),
      (err: unknown) => logger.warn({ err, contentHash, need }, 'precompile could not be requested'),
    );
  };
}
