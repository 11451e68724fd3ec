import { setTimeout } from 'node:timers/promises';
import type { Knex } from 'knex';
import { PlatformError } from '../../core/errors.ts';
import type { SecretValue } from '../../core/secret-value.ts';
import type { Logger } from '../logger.ts';
import { isDatabaseAway, openDatabase } from './database.ts';
import { readApplied } from './migrate.ts';

const FIRST_RETRY_MS = 500;
const LONGEST_RETRY_MS = 10_000;

export interface AwaitSchemaOptions {
  database: { url: SecretValue };
  /** Names of the migrations that this release is made for. */
  needed: readonly string[];
  logger: Logger;
  /** Gives up waiting. */
  signal: AbortSignal;
}

/**
 * What a process does before it uses the database: waits while the database does not answer, then checks that it holds every migration
 * needed and no unknown breaking one. False if given up. Throws SCHEMA_MISMATCH, or what the database answered.
 */
export async function awaitSchema({
  database,
  needed,
  logger,
  signal,
}: AwaitSchemaOptions): Promise<boolean> {
  const db = openDatabase({ ...database, poolMax: 1 });
  try {
    for (let retryMs = FIRST_RETRY_MS; !signal.aborted; retryMs = Math.min(retryMs * 2, LONGEST_RETRY_MS)) {
      try {
        await checkSchema(db, needed);
        return true;
      } catch (err) {
        if (!isDatabaseAway(err)) throw err;
        logger.warn({ err, retryMs }, 'the database does not answer; waiting for it');
      }
      await setTimeout(retryMs, undefined, { signal }).catch(() => undefined); // the loop sees the signal
    }
    return false;
  } finally {
    await db.destroy();
  }
}

async function checkSchema(db: Knex, needed: readonly string[]): Promise<void> {
  const { names, breaking } = await readApplied(db);
  const missing = needed.filter((name) => !names.includes(name));
  if (missing.length > 0) {
    throw new PlatformError(
      'SCHEMA_MISMATCH',
      `the database lacks migrations that this release needs: ${missing.join(', ')}. Apply them with "npm run migrate" of this release, then start again`,
      { details: { missing } },
    );
  }
  const unknown = breaking.filter((name) => !needed.includes(name));
  if (unknown.length > 0) {
    throw new PlatformError(
      'SCHEMA_MISMATCH',
      `the database has migrations of a newer release that this one cannot run on: ${unknown.join(', ')}. Start a release that has them`,
      { details: { unknown } },
    );
  }
}
