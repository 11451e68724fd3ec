import type { Knex } from 'knex';

/** Of the log, one after the other; what is in memory and locked at a time stays small however many calls there are. */
const SLICE_MS = 10 * 60 * 1000;
const BATCH = 1_000;

/** From and until, as the database writes times: a Date would lose the microseconds of rows from before partitions. */
export interface TimeSlice {
  from: string;
  to: string;
}

export type ExecutionSweepStore = ReturnType<typeof createExecutionSweepStore>;

/** Executions whose end nobody wrote. Whatever began up to the mark was looked at once it was old enough to have ended. */
export function createExecutionSweepStore(db: Knex) {
  return {
    /**
     * What is to be looked at next, in the order of time: rows that are older than `ageMs` and begin no earlier than that before the mark,
     * because a gateway's clock may be slow. Empty once that is done.
     */
    async slices(ageMs: number): Promise<TimeSlice[]> {
      const { rows } = await db.raw<{ rows: TimeSlice[] }>(
        `select "from"::text, least("from" + :slice::interval, now() - :age::interval)::text as "to"
           from housekeeping_mark,
                generate_series(until - :age::interval, now() - :age::interval, :slice::interval) as "from"
          where sweep = 'executions'`,
        { age: `${ageMs} ms`, slice: `${SLICE_MS} ms` },
      );
      return rows;
    },

    async count({ from, to }: TimeSlice): Promise<number> {
      const { rows } = await byIndex(db, (trx) =>
        trx.raw<{ rows: [{ count: number }] }>(
          `select count(*)::int from extension_execution_log
            where status = 'running' and started_at >= :from::timestamptz and started_at < :to::timestamptz`,
          { from, to },
        ),
      );
      return rows[0].count;
    },

    /** Says of those in the slice that still run that nobody knows what came of them, and answers how many they were. */
    async interrupt({ from, to }: TimeSlice): Promise<number> {
      let count = 0;
      for (;;) {
        const { rowCount } = await byIndex(db, (trx) =>
          trx.raw<{ rowCount: number }>(
            `with unended as materialized (
               select tenant_id, started_at, execution_id from extension_execution_log
                where status = 'running' and started_at >= :from::timestamptz and started_at < :to::timestamptz
                limit :batch)
             update extension_execution_log e set status = 'interrupted' from unended u
              where e.tenant_id = u.tenant_id and e.started_at = u.started_at and e.execution_id = u.execution_id
                and e.started_at >= :from::timestamptz and e.started_at < :to::timestamptz and e.status = 'running'`,
            { from, to, batch: BATCH },
          ),
        );
        count += rowCount;
        if (rowCount === 0) return count;
      }
    },

    /** Nothing that began before needs to be looked at again. */
    async markDone({ to }: TimeSlice): Promise<void> {
      await db.raw(
        `update housekeeping_mark set until = greatest(until, :to::timestamptz) where sweep = 'executions'`,
        { to },
      );
    },
  };
}

/** Today's statistics may say that a day of a million rows is nearly empty; then PostgreSQL would read all of it for each slice. */
async function byIndex<Result>(db: Knex, run: (trx: Knex.Transaction) => Promise<Result>): Promise<Result> {
  return db.transaction(async (trx) => {
    await trx.raw(
      'set local enable_seqscan = off; set local enable_hashjoin = off; set local enable_mergejoin = off',
    );
    return run(trx);
  });
}
