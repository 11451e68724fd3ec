import knex, { type Knex } from 'knex';
import pg from 'pg';
import type { SecretValue } from '../../core/secret-value.ts';

// Sizes and revisions fit a double exactly up to 2^53; text would leak into every caller.
pg.types.setTypeParser(pg.types.builtins.INT8, (text) => {
  const value = Number(text);
  if (!Number.isSafeInteger(value)) throw new RangeError(`bigint ${text} is out of range`);
  return value;
});

const CONNECT_WITHIN_MS = 3_000;
/** For a connection to be made, or to become free. */
const ACQUIRE_WITHIN_MS = 5_000;
/** A server that is frozen says nothing when a statement is over its time: then we say it, this much later. */
const FROZEN_AFTER_MS = 1_000;

export interface DatabaseOptions {
  url: SecretValue;
  poolMax: number;
  /** Longest a statement may run; absent for work that takes as long as it takes, such as migrations. */
  statementTimeoutMs?: number;
  /** For statements that do the same whatever their values: a connection plans those that are named once and never again, and no plan heeds a value. */
  plansOnce?: boolean;
}

/** Opens a pool. The caller destroys it. */
export function openDatabase({ url, poolMax, statementTimeoutMs, plansOnce = false }: DatabaseOptions): Knex {
  return knex({
    client: 'pg',
    connection: {
      connectionString: url.reveal(),
      application_name: 'alga',
      connectionTimeoutMillis: CONNECT_WITHIN_MS,
      ...(statementTimeoutMs !== undefined && {
        statement_timeout: statementTimeoutMs,
        query_timeout: statementTimeoutMs + FROZEN_AFTER_MS,
      }),
    },
    pool: { min: 0, max: poolMax, ...(plansOnce && { afterCreate: planOnce }) },
    acquireConnectionTimeout: ACQUIRE_WITHIN_MS,
    // Or an error's message would hold the values bound to its statement, settings and digests among them.
    compileSqlOnError: false,
  });
}

function planOnce(connection: pg.Client, done: (err: Error | null, connection: pg.Client) => void): void {
  connection.query('set plan_cache_mode = force_generic_plan', (err: Error | null) => done(err, connection));
}

/** Errors of PostgreSQL that say it cannot serve now: connection, resources, shutdown and start, and a statement over its time. */
const AWAY_STATES = /^(08|53|57P|57014)/;

/** Whether the database did not answer at all, or not in time, as opposed to answering with an error. */
export function isDatabaseAway(err: unknown): boolean {
  // By shape and not by class: tests and threads have realms of their own.
  if (typeof err !== 'object' || err === null) return false;
  const { name, code, severity, message } = err as Partial<Record<string, unknown>>;
  if (name === 'KnexTimeoutError') return true;
  // PostgreSQL's own answers have a severity beside their SQLSTATE.
  if (severity !== undefined) return typeof code === 'string' && AWAY_STATES.test(code);
  // What Node says of sockets and names, ECONNREFUSED for one; its own misuse errors begin with ERR_.
  if (typeof code === 'string') return /^E(?!RR_)[A-Z]+$/.test(code);
  // By pg, which gives them no code; knex puts the statement before them.
  return typeof message === 'string' && AWAY_MESSAGES.test(message);
}

const AWAY_MESSAGES = /(^| - )(Connection terminated( unexpectedly)?|Query read timeout|timeout expired)$/;

/** Of an error of a database that is away: whether a statement had been sent and may be done all the same, now or when the server goes on. */
export function mayHaveBeenDone(err: unknown): boolean {
  const { name, code, severity, message } = err as Partial<Record<string, unknown>>;
  // No connection was free, the server answered that it did not do it, or there was none to send it to.
  if (name === 'KnexTimeoutError' || severity !== undefined) return false;
  if (typeof code === 'string') return !NEVER_CONNECTED.has(code);
  return !String(message).endsWith('timeout expired');
}

const NEVER_CONNECTED: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
]);
