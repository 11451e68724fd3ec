import { delete as remove, get as read, listEntries as list, put as write } from 'alga:extension/storage';

// The toolchain of QuickJS passes numbers where the world says u64; authors get the bigint that it is with every other engine.

type Passed<Revision> = { revision: Revision | undefined } & Record<string, unknown>;

const received = (entry: Passed<number>): Passed<bigint> => ({
  ...entry,
  revision: typeof entry.revision === 'number' ? BigInt(entry.revision) : undefined,
});

export function get(namespace: string, key: string): Passed<bigint> {
  return received(read(namespace, key));
}

export function put(entry: Passed<bigint>): Passed<bigint> {
  const revision = entry.revision === undefined ? undefined : Number(entry.revision);
  return received(write({ ...entry, revision }));
}

export function listEntries(namespace: string, cursor?: string): Passed<bigint>[] {
  return list(namespace, cursor).map(received);
}

export { remove as delete };
