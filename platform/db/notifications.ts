import { randomUUID } from 'node:crypto';
import { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import type { SecretValue } from '../../core/secret-value.ts';
import type { Logger } from '../logger.ts';

/** What triggers notify: rows that clients wait for, and rows that calls are authorised by. */
export type Channel = 'row_change' | 'call_change';

const CHANNELS: readonly Channel[] = ['row_change', 'call_change'];

/** Hears what the database's triggers say, and knows up to when it has heard everything. */
export interface Notifications {
  /** Calls `hear` with each payload that is committed from now on; without one when some may have been missed, and at the end. */
  on(channel: Channel, hear: (payload?: string) => void): void;
  /** On the clock of `performance.now()`: all that was committed before is heard. -Infinity while nothing can be. */
  readonly heardUntil: number;
  /** Asks at once, or as soon as it was not asked a moment ago, instead of after the usual pause. */
  hurry(): void;
  /** Nothing will be heard any more. */
  readonly closed: boolean;
  close(): Promise<void>;
}

export interface NotificationsOptions {
  url: SecretValue;
  logger: Logger;
  /** How often the connection notifies itself. */
  beatMs?: number;
}

const ANSWER_WITHIN_MS = 5_000;
const FAREWELL_MS = 1_000;
const FIRST_RETRY_MS = 250;
const LAST_RETRY_MS = 5_000;
/** Between two beats, however much in a hurry. */
const BEAT_PAUSE_MS = 25;

/**
 * Listens on one connection of its own, however many hear, and opens it again when it is lost. Every `beatMs` it notifies itself: the
 * server delivers in the order of commits, so what was committed before is heard by then. Needs a session: through a pooler that shares
 * connections between transactions nothing is heard.
 */
export function listenForNotifications({ url, logger, beatMs = 300 }: NotificationsOptions): Notifications {
  const hearers = new Map<string, ((payload?: string) => void)[]>();
  const own = `beat_${randomUUID()}`;
  const closing = new AbortController();
  const isClosing = (): boolean => closing.signal.aborted;
  let heardUntil = -Infinity;
  let hurries = 0;
  /** Ends the pause under way; `whole` unless it is one that a hurry does not shorten. */
  let wake: (how: 'whole' | 'hurry') => void = () => undefined;

  const tell = (channel: string, payload?: string): void => {
    for (const hear of hearers.get(channel) ?? []) hear(payload);
  };
  const tellAll = (): void => {
    for (const channel of CHANNELS) tell(channel);
  };
  const pause = (ms: number, shortened: 'by a hurry' | 'by the end alone'): Promise<void> =>
    new Promise((resolve) => {
      const timer = setTimeout(() => wake('whole'), ms);
      wake = (how) => {
        if (how === 'hurry' && shortened === 'by the end alone') return;
        clearTimeout(timer);
        resolve();
      };
    });

  /** Hears until the connection ends, which throws, or the end comes. */
  async function listen(onListening: () => void): Promise<void> {
    const socket = new Socket();
    const client = new pg.Client({
      stream: () => socket,
      connectionString: url.reveal(),
      application_name: 'alga notifications',
      connectionTimeoutMillis: ANSWER_WITHIN_MS,
      query_timeout: ANSWER_WITHIN_MS,
    });
    const connection: { lost?: Error } = {};
    const lose = (err = new Error('the connection ended')): void => {
      connection.lost ??= err;
      wake('whole');
    };
    client.on('error', lose).once('end', () => lose());
    let beat = 0;
    let sentAt = -Infinity;
    client.on('notification', ({ channel, payload = '' }) => {
      if (channel !== own) tell(channel, payload);
      else if (payload === String(beat)) heardUntil = sentAt;
    });
    try {
      await client.connect();
      // A beat leaves nothing behind that would have to be on disk.
      await client.query('set synchronous_commit = off');
      for (const channel of [...CHANNELS, own]) await client.query(`listen "${channel}"`);
      onListening();
      while (!isClosing()) {
        beat += 1;
        const before = hurries;
        sentAt = performance.now();
        await client.query('select pg_notify($1, $2)', [own, String(beat)]);
        if (!connection.lost) await pause(BEAT_PAUSE_MS, 'by the end alone');
        if (!connection.lost && hurries === before) await pause(beatMs - BEAT_PAUSE_MS, 'by a hurry');
        if (connection.lost && !isClosing()) throw connection.lost;
      }
    } finally {
      heardUntil = -Infinity;
      // A peer that is gone without a word does not answer the farewell either.
      await Promise.race([client.end(), delay(FAREWELL_MS, undefined, { ref: false })]);
      socket.destroy();
    }
  }

  async function listenAlways(): Promise<void> {
    let retryMs = FIRST_RETRY_MS;
    while (!isClosing()) {
      try {
        await listen(() => {
          retryMs = FIRST_RETRY_MS;
          logger.info('changes of rows are heard');
          tellAll(); // whatever changed before nobody heard
        });
      } catch (err) {
        logger.warn(
          { err, retryMs },
          'changes of rows are not heard: who waits re-reads, calls are looked up',
        );
        await delay(retryMs, undefined, { signal: closing.signal }).catch(() => undefined);
        retryMs = Math.min(retryMs * 2, LAST_RETRY_MS);
      }
    }
  }
  const listening = listenAlways();

  return {
    on(channel, hear) {
      hearers.set(channel, [...(hearers.get(channel) ?? []), hear]);
    },
    get heardUntil() {
      return heardUntil;
    },
    hurry() {
      hurries += 1;
      wake('hurry');
    },
    get closed() {
      return isClosing();
    },
    async close() {
      closing.abort();
      wake('whole');
      tellAll();
      await listening;
    },
  };
}
