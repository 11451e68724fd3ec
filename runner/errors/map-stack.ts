import { Worker } from 'node:worker_threads';
import type { Logger } from '../../platform/logger.ts';
import type { MapTask } from './map-worker.ts';
import { POSITION } from './exception-text.ts';
import type { ReadSourceMaps } from './source-maps.ts';

/** Whoever waits for the call's answer waits for this at most. */
const WITHIN_MS = 500;
/** Of the thread for one stack, its maps' parsing included. A large map takes a tenth of a second, on a busy machine ten times that. */
const GIVE_UP_MS = 5_000;
/** A stack waits behind so many others, or is left as it is. */
const MAX_WAITING = 16;
/** Bundles whose maps are not looked at again, since they took too long or too much. */
const MAX_REFUSED = 1_000;
const HEAP_MB = 128;

/** The same text with the positions of its stack as they are in the author's sources, where the bundle has a source map and it can be had in time. */
export interface StackMapper {
  map: (contentHash: string, text: string) => Promise<string>;
  close: () => Promise<void>;
}

export function createStackMapper(deps: { readMaps: ReadSourceMaps; logger: Logger }): StackMapper {
  const { readMaps, logger } = deps;
  const refused = new Set<string>();
  let worker: Started | undefined;
  let closed = false;
  const isClosed = (): boolean => closed;
  let ids = 0;
  let waiting = 0;
  let last: Promise<unknown> = Promise.resolve();

  function refuse(contentHash: string, why: string): void {
    if (refused.size >= MAX_REFUSED) refused.clear();
    refused.add(contentHash);
    logger.warn({ contentHash, why }, 'source maps of a bundle are left alone');
  }

  /** One at a time, so that a bundle whose maps take for ever is known by it. */
  async function inWorker(contentHash: string, text: string): Promise<string> {
    if (refused.has(contentHash) || closed) return text;
    const maps = await readMaps(contentHash);
    if (maps.size === 0) return text;
    const used = (worker ??= startWorker());
    const { thread } = used;
    const id = ++ids;
    const answer = Promise.withResolvers<string>();
    const settle = (message: { id: number; text: string }): void => {
      if (message.id === id) answer.resolve(message.text);
    };
    const lost = (err: unknown): void => answer.reject(err instanceof Error ? err : new Error('it ended'));
    thread.on('message', settle).on('error', lost).on('exit', lost);
    let timer: NodeJS.Timeout | undefined;
    try {
      await Promise.race([used.online, answer.promise]);
      timer = setTimeout(() => answer.reject(new Error('it took too long')), GIVE_UP_MS);
      thread.postMessage({ id, contentHash, text, maps } satisfies MapTask);
      return await answer.promise;
    } catch (err) {
      if (isClosed()) return text;
      refuse(contentHash, String(err));
      worker = undefined;
      await thread.terminate();
      return text;
    } finally {
      clearTimeout(timer);
      thread.off('message', settle).off('error', lost).off('exit', lost);
    }
  }

  return {
    async map(contentHash, text) {
      if (text.search(POSITION) < 0 || waiting >= MAX_WAITING) return text;
      waiting += 1;
      const turn = last.then(() => inWorker(contentHash, text));
      last = turn.catch(() => undefined).finally(() => (waiting -= 1));
      const late = Promise.withResolvers<string>();
      const timer = setTimeout(() => late.resolve(text), WITHIN_MS);
      try {
        return await Promise.race([turn, late.promise]);
      } catch (err) {
        logger.warn({ err, contentHash }, 'source maps of a bundle could not be read');
        return text;
      } finally {
        clearTimeout(timer);
      }
    },
    async close() {
      closed = true;
      await worker?.thread.terminate();
    },
  };
}

interface Started {
  thread: Worker;
  online: Promise<unknown>;
}

function startWorker(): Started {
  const thread = new Worker(new URL('map-worker.ts', import.meta.url), {
    env: {},
    resourceLimits: { maxOldGenerationSizeMb: HEAP_MB, maxYoungGenerationSizeMb: 16 },
  });
  thread.unref();
  thread.on('error', () => undefined); // whoever waits hears of it
  const online = new Promise((resolve) => thread.once('online', resolve));
  return { thread, online };
}
