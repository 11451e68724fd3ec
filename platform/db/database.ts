import knex, { type Knex } from 'knex';
import pg from 'pg';
import type { SecretValue } from '../../core/secret-value.ts';

// Sizes and revisions fit a double exactly up to 2^53; text would leak into every caller.
pg.types.setTypeParser(pg.types.builtins.INT8, (text) => {
  const value = Number(text);
  if (!Number.isSafeInteger(value)) throw new RangeError(`bigint ${text} is out of range`);
  return value;
});

/** Opens a pool. The caller destroys it. */
export function openDatabase({ url, poolMax }: { url: SecretValue; poolMax: number }): Knex {
  return knex({
    client: 'pg',
    connection: { connectionString: url.reveal(), application_name: 'alga' },
    pool: { min: 0, max: poolMax },
    acquireConnectionTimeout: 10_000,
    // Or an error's message would hold the values bound to its statement, settings and digests among them.
    compileSqlOnError: false,
  });
}

/** Errors of PostgreSQL that say it cannot serve now: connection, resources, shutdown and start. */
const AWAY_STATES = /^(08|53|57P)/;

/** Whether the database did not answer at all, as opposed to answering with an error. */
export function isDatabaseAway(err: unknown): boolean {
  if (err instanceof knex.KnexTimeoutError) return true;
  if (err instanceof pg.DatabaseError) return AWAY_STATES.test(err.code ?? '');
  if (!(err instanceof Error)) return false;
  // What Node says of sockets and names, ECONNREFUSED for one; its own misuse errors begin with ERR_.
  if ('code' in err && typeof err.code === 'string') return /^E(?!RR_)[A-Z]+$/.test(err.code);
  return err.message.startsWith('Connection terminated'); // by pg, which gives it no code
}
