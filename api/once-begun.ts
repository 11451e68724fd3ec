import { isDatabaseAway } from '../platform/db/database.ts';

/**
 * What a read tells after work has begun; undefined if the database is away. The work goes on without us, so a 503, which says that
 * nothing was begun, would be untrue: the caller answers 202 with where it will show.
 */
export async function onceBegun<Row>(read: Promise<Row>): Promise<Row | undefined> {
  try {
    return await read;
  } catch (err) {
    if (isDatabaseAway(err)) return undefined;
    throw err;
  }
}
