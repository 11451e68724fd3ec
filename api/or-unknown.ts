import { isPlatformError } from '../core/errors.ts';

/** Of work that Temporal may have taken, or may yet, the answer is 202 as well, with where it would show. Answers whether it is known. */
export async function orUnknown(start: Promise<unknown>): Promise<boolean> {
  try {
    await start;
    return true;
  } catch (err) {
    if (!isPlatformError(err) || err.code !== 'TEMPORAL_OUTCOME_UNKNOWN') throw err;
    return false;
  }
}
