import { createBoundedTurns } from '../platform/bounded-turns.ts';
import type { RowChanges, WatchedTable } from '../platform/db/row-changes.ts';

/** Also without a notification, which can be lost with the connection it comes on. */
const REREAD_MS = 5_000;
/** Of one tenant: a row that changes all the time wakes everyone who waits for it, and each reads it. */
const readings = createBoundedTurns({ atOnce: 1, waiting: Infinity });

/** A row that clients wait for, and how it is read. */
export interface WatchedRow<Row> {
  tenantId: string;
  table: WatchedTable;
  id: string;
  read: () => Promise<Row>;
}

/** The row as it stands, and again whenever it may have changed, until the signal or the end of the process. */
export async function* readingsOf<Row>(
  changes: RowChanges,
  { tenantId, table, id, read }: WatchedRow<Row>,
  signal: AbortSignal,
): AsyncGenerator<Row, void, void> {
  const isOver = (): boolean => signal.aborted || changes.closed;
  let woken = Promise.withResolvers<undefined>();
  const wake = (): void => woken.resolve(undefined);
  const unsubscribe = changes.subscribe(tenantId, { table, id }, wake);
  signal.addEventListener('abort', wake);
  try {
    for (;;) {
      woken = Promise.withResolvers(); // before the read: a change while it runs is not missed
      let row: Row;
      try {
        row = await readings.run(tenantId, signal, read);
      } catch (err) {
        if (isOver()) return; // while it waited for its turn
        throw err;
      }
      yield row;
      if (isOver()) return;
      const reread = setTimeout(wake, REREAD_MS);
      await woken.promise;
      clearTimeout(reread);
      if (isOver()) return;
    }
  } finally {
    unsubscribe();
    signal.removeEventListener('abort', wake);
  }
}
