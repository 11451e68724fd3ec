import { PlatformError } from '../core/errors.ts';
import { isDatabaseAway, mayHaveBeenDone } from '../platform/db/database.ts';

/**
 * A write that stands for the whole request. If the database is lost after it was given the write, a 503, which says that nothing was done,
 * would be untrue: a frozen server does it when it goes on.
 */
export async function written<Row>(write: Promise<Row>): Promise<Row> {
  try {
    return await write;
  } catch (cause) {
    if (!isDatabaseAway(cause) || !mayHaveBeenDone(cause)) throw cause;
    throw new PlatformError(
      'OUTCOME_UNKNOWN',
      'the database was lost before it confirmed the change; look whether it was made',
      { cause },
    );
  }
}
