import type { Instance } from './component.ts';

const MIB = 1024 * 1024;
/** Of each component, kept while nobody calls. */
const ALWAYS = 4;
/** What is kept beyond that in all, each as large as it begins. */
const MORE_BYTES = 192 * MIB;
/** How long one beyond that must have been needed by nobody to be let go. */
const UNNEEDED_MS = 10_000;

/** Instances of one component that wait for calls. */
export interface IdleInstances {
  readonly size: number;
  /** The one that served last: its memory is still in the caches. */
  take(): Instance | undefined;
  give(instance: Instance): void;
  abandonAll(): void;
}

/**
 * As many instances as calls that come together need are kept for as long as they come: to make one takes the time of several calls,
 * and calls that wait for the host would each make one, the more of them the busier the platform is.
 */
export function createIdleInstances(): (instanceBytes: number) => IdleInstances {
  let moreBytes = 0;

  return (instanceBytes) => {
    const idle: Instance[] = [];
    /** Idle at one time since the last look: what nobody needed. */
    let fewest = 0;
    let nextLook: NodeJS.Timeout | undefined;

    const more = (): number => Math.max(0, idle.length - ALWAYS);
    const changed = <T>(change: () => T): T => {
      const before = more();
      const result = change();
      moreBytes += (more() - before) * instanceBytes;
      return result;
    };
    const lookSoon = (): void => {
      fewest = idle.length;
      nextLook = more() > 0 ? setTimeout(look, UNNEEDED_MS).unref() : undefined;
    };
    const look = (): void => {
      const unneeded = changed(() => idle.splice(0, Math.min(fewest, more())));
      for (const instance of unneeded) instance.abandon();
      lookSoon();
    };

    return {
      get size() {
        return idle.length;
      },
      take() {
        const instance = changed(() => idle.pop());
        fewest = Math.min(fewest, idle.length);
        return instance;
      },
      give(instance) {
        if (idle.length >= ALWAYS && moreBytes + instanceBytes > MORE_BYTES) {
          instance.abandon();
          return;
        }
        changed(() => idle.push(instance));
        if (nextLook === undefined) lookSoon();
      },
      abandonAll() {
        clearTimeout(nextLook);
        nextLook = undefined;
        for (const instance of changed(() => idle.splice(0))) instance.abandon();
      },
    };
  };
}
