import type { Knex } from 'knex';

/** Waiting for a long reader of the default partition makes others wait behind us; better to come again. */
const LOCK_TIMEOUT = '2s';
const DROP_LOCK_TIMEOUT = '200ms';

const DAY_MS = 24 * 60 * 60 * 1000;

/** Of `pg_class c`; null of the default partition. */
const PARTITION_END = `substring(pg_get_expr(c.relpartbound, c.oid) from 'TO \\(''([^'']+)''\\)')::timestamptz`;

export type ExecutionPartitionStore = ReturnType<typeof createExecutionPartitionStore>;

/** The days of the execution log. Each begins at midnight UTC and follows the one before without a gap. */
export function createExecutionPartitionStore(db: Knex) {
  /** Undefined if the days there are reach `until`. */
  async function makeNext(until: Date): Promise<string | undefined> {
    return db.transaction(async (trx) => {
      await trx.raw(`set local lock_timeout = '${LOCK_TIMEOUT}'`);
      // Executions begin and end without it; only lists wait. Two that make days at once follow each other.
      await trx.raw('lock table extension_execution_log_default in access exclusive mode');
      const from = await lastEnd(trx);
      if (from >= until) return undefined;
      const [day, next] = [from.toISOString(), new Date(from.getTime() + DAY_MS).toISOString()];
      const name = `extension_execution_log_${day.slice(0, 10).replaceAll('-', '')}`;
      await trx.raw('create table ?? (like extension_execution_log including all) with (fillfactor = 75)', [
        name,
      ]);
      await trx.raw(
        `with moved as (delete from extension_execution_log_default where started_at >= ? and started_at < ? returning *)
         insert into ?? select * from moved`,
        [day, next, name],
      );
      // Bounds are part of the statement's text: there are no parameters in DDL.
      await trx.raw(
        `alter table extension_execution_log attach partition ?? for values from ('${day}') to ('${next}')`,
        [name],
      );
      return name;
    });
  }

  return {
    /** Makes the days that are missing up to `until`, taking in what the default partition holds of them. Answers their names. */
    async prepare(until: Date): Promise<string[]> {
      const made: string[] = [];
      while ((await lastEnd(db)) < until) {
        const name = await makeNext(until);
        if (name !== undefined) made.push(name);
      }
      return made;
    },

    /**
     * Drops the days that were over by `until`, oldest first, with every row in them; answers their names. What was written before there were
     * days stays. Throws when a day is in use for longer than calls may wait behind us.
     */
    async dropBefore(until: Date): Promise<string[]> {
      const days = await daysBefore(db, until);
      for (const day of days) {
        await db.transaction(async (trx) => {
          // Locks the whole log for a moment: whatever began after us waits for as long as we do.
          await trx.raw(`set local lock_timeout = '${DROP_LOCK_TIMEOUT}'`);
          await trx.raw('drop table if exists ??', [day]);
        });
      }
      return days;
    },
  };
}

async function daysBefore(db: Knex, until: Date): Promise<string[]> {
  const { rows } = await db.raw<{ rows: { name: string }[] }>(
    `select c.relname as name
     from pg_inherits i join pg_class c on c.oid = i.inhrelid
     where i.inhparent = 'extension_execution_log'::regclass and c.relname ~ '^extension_execution_log_[0-9]{8}$'
       and ${PARTITION_END} <= ?
     order by c.relname`,
    [until],
  );
  return rows.map(({ name }) => name);
}

/** Where the newest partition ends; the default one has no end. */
async function lastEnd(db: Knex): Promise<Date> {
  const { rows } = await db.raw<{ rows: [{ until: Date }] }>(
    `select max(${PARTITION_END}) as until
     from pg_inherits i join pg_class c on c.oid = i.inhrelid
     where i.inhparent = 'extension_execution_log'::regclass`,
  );
  return rows[0].until;
}
