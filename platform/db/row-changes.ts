import { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import type { SecretValue } from '../../core/secret-value.ts';
import type { Logger } from '../logger.ts';

/** Tables whose changes are told: lifecycle rows, which change seldom. */
export type WatchedTable = 'extension_upload' | 'tenant_extension_install';

/** Tells who waits for a row that it may have changed. */
export interface RowChanges {
  /**
   * Calls `wake` after each change of the row that is committed from now on, after a time in which changes could not be heard, and at
   * the end. Answers what stops that.
   */
  subscribe(tenantId: string, row: { table: WatchedTable; id: string }, wake: () => void): () => void;
  /** How many of a tenant wait. */
  waitingOf(tenantId: string): number;
  /** Nothing will be told any more: waiting has no point. */
  readonly closed: boolean;
  close(): Promise<void>;
}

export interface RowChangesOptions {
  url: SecretValue;
  logger: Logger;
  /** How often the connection is asked for a sign of life; one that is half open says nothing by itself. */
  pingMs?: number;
}

const CHANNEL = 'row_change';
const ANSWER_WITHIN_MS = 5_000;
const FAREWELL_MS = 1_000;
const FIRST_RETRY_MS = 250;
const LAST_RETRY_MS = 5_000;

/**
 * Listens on one connection of its own, however many wait, and opens it again when it is lost. Needs a session: through a pooler that
 * shares connections between transactions nothing is heard.
 */
export function listenForRowChanges({ url, logger, pingMs = 10_000 }: RowChangesOptions): RowChanges {
  const waiting = new Map<string, Set<() => void>>();
  const waitingByTenant = new Map<string, number>();
  const count = (tenantId: string, by: 1 | -1): void => {
    const now = (waitingByTenant.get(tenantId) ?? 0) + by;
    if (now === 0) waitingByTenant.delete(tenantId);
    else waitingByTenant.set(tenantId, now);
  };
  const closing = new AbortController();
  const isClosing = (): boolean => closing.signal.aborted;
  const wakeAll = (): void => {
    for (const wakes of [...waiting.values()]) for (const wake of [...wakes]) wake();
  };

  /** Hears changes until the connection ends or the end comes. */
  async function hear(onListening: () => void): Promise<void> {
    const socket = new Socket();
    const client = new pg.Client({
      stream: () => socket,
      connectionString: url.reveal(),
      application_name: 'alga row changes',
      connectionTimeoutMillis: ANSWER_WITHIN_MS,
      query_timeout: ANSWER_WITHIN_MS,
    });
    const lost = new Promise<Error | undefined>((resolve) => {
      client.on('error', resolve).once('end', () => resolve(undefined));
    });
    client.on('notification', ({ payload = '' }) => {
      for (const wake of [...(waiting.get(payload) ?? [])]) wake();
    });
    try {
      await client.connect();
      await client.query(`listen ${CHANNEL}`);
      onListening();
      while (!isClosing()) {
        const quiet = delay(pingMs, 'quiet' as const, { signal: closing.signal }).catch(() => undefined);
        const end = await Promise.race([lost, quiet]);
        if (end === 'quiet') await client.query('select 1');
        else if (!isClosing()) throw end ?? new Error('the connection ended');
      }
    } finally {
      // A peer that is gone without a word does not answer the farewell either.
      await Promise.race([client.end(), delay(FAREWELL_MS, undefined, { ref: false })]);
      socket.destroy();
    }
  }

  async function hearAlways(): Promise<void> {
    let retryMs = FIRST_RETRY_MS;
    while (!isClosing()) {
      try {
        await hear(() => {
          retryMs = FIRST_RETRY_MS;
          logger.info('row changes are heard');
          wakeAll(); // whatever changed before nobody heard
        });
      } catch (err) {
        logger.warn({ err, retryMs }, 'row changes are not heard: who waits re-reads every few seconds');
        await delay(retryMs, undefined, { signal: closing.signal }).catch(() => undefined);
        retryMs = Math.min(retryMs * 2, LAST_RETRY_MS);
      }
    }
  }
  const hearing = hearAlways();

  return {
    subscribe(tenantId, { table, id }, wake) {
      const key = `${table} ${tenantId} ${id}`;
      const wakes = waiting.get(key) ?? new Set();
      waiting.set(key, wakes.add(wake));
      count(tenantId, 1);
      return () => {
        if (wakes.delete(wake)) count(tenantId, -1);
        if (wakes.size === 0 && waiting.get(key) === wakes) waiting.delete(key);
      };
    },
    waitingOf: (tenantId) => waitingByTenant.get(tenantId) ?? 0,
    get closed() {
      return isClosing();
    },
    async close() {
      closing.abort();
      wakeAll();
      await hearing;
    },
  };
}
