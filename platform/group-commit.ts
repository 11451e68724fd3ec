/** Writes what comes while others are written together, so that many share one statement and one commit. */
export interface GroupCommit<Item> {
  /** Settles once the item is written, by itself or with others. Rejects with what its write threw. */
  write(item: Item): Promise<void>;
}

export interface GroupCommitOptions {
  /** Items of one group at most. */
  most: number;
  /** From the beginning of a group to that of the next at least, by how many items it had. */
  paceMs: (items: number) => number;
  /** Whether it may be one item of the group that cannot be written: each is then tried by itself. */
  isItemsFault: (err: unknown) => boolean;
}

interface Waiting<Item> extends PromiseWithResolvers<undefined> {
  item: Item;
}

/** One group at a time. What waits is bounded by whoever waits for it. */
export function createGroupCommit<Item>(
  writeGroup: (items: readonly Item[]) => Promise<void>,
  { most, paceMs, isItemsFault }: GroupCommitOptions,
): GroupCommit<Item> {
  const waiting: Waiting<Item>[] = [];
  let isBusy = false;
  /** When the next group may begin. */
  let nextAt = -Infinity;

  function serve(): void {
    if (isBusy || waiting.length === 0) return;
    isBusy = true;
    const pause = nextAt - performance.now();
    if (pause > 0) setTimeout(begin, pause);
    else begin();
  }

  function begin(): void {
    const group = waiting.splice(0, most);
    nextAt = performance.now() + paceMs(group.length);
    void write(group).finally(() => {
      isBusy = false;
      serve();
    });
  }

  async function write(group: readonly Waiting<Item>[]): Promise<void> {
    try {
      await writeGroup(group.map(({ item }) => item));
      for (const { resolve } of group) resolve(undefined);
    } catch (err) {
      if (group.length === 1 || !isItemsFault(err)) for (const { reject } of group) reject(err);
      else for (const one of group) await write([one]);
    }
  }

  return {
    write(item) {
      const entry = { item, ...Promise.withResolvers<undefined>() };
      waiting.push(entry);
      serve();
      return entry.promise;
    },
  };
}
