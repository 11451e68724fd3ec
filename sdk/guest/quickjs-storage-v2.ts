import {
  delete as remove,
  deleteMany,
  get as read,
  getMany as readMany,
  increment as add,
  listEntries as list,
  put as write,
  putMany as writeMany,
} from 'alga:extension/storage-v2';

// The toolchain of QuickJS passes numbers where the world says u64 or s64; authors get the bigint that it is with every other engine.
// A sum beyond 2^53 comes rounded; the record's text is exact.

type Fields = Record<string, unknown>;
type Entry<Whole> = Fields & { revision: Whole; expiresAt: Whole | undefined };
type NewEntry<Whole> = Fields & { revision: Whole | undefined };
type Start<Whole> = Fields & { initial: Whole };

/** Throws RangeError for what a number does not hold exactly. */
function exact(whole: bigint): number {
  const number = Number(whole);
  if (!Number.isSafeInteger(number))
    throw new RangeError(`${whole} is beyond 2^53, which QuickJS cannot pass on`);
  return number;
}

const exactIfAny = (whole: bigint | undefined): number | undefined =>
  whole === undefined ? undefined : exact(whole);

const received = (entry: Entry<number>): Entry<bigint> => ({
  ...entry,
  revision: BigInt(entry.revision),
  expiresAt: typeof entry.expiresAt === 'number' ? BigInt(entry.expiresAt) : undefined,
});

const sent = (entry: NewEntry<bigint>): NewEntry<number> => ({
  ...entry,
  revision: exactIfAny(entry.revision),
});

export function get(namespace: string, key: string): Entry<bigint> {
  return received(read(namespace, key));
}

export function getMany(namespace: string, keys: string[]): (Entry<bigint> | undefined)[] {
  return readMany(namespace, keys).map((entry) => (entry ? received(entry) : undefined));
}

export function put(namespace: string, entry: NewEntry<bigint>): bigint {
  return BigInt(write(namespace, sent(entry)));
}

export function putMany(namespace: string, entries: NewEntry<bigint>[]): BigUint64Array {
  return BigUint64Array.from([...writeMany(namespace, entries.map(sent))].map(BigInt));
}

function removeOne(namespace: string, key: string, revision?: bigint): void {
  remove(namespace, key, exactIfAny(revision));
}

export function listEntries(
  namespace: string,
  prefix: string,
  cursor?: string,
  limit?: number,
): { entries: Entry<bigint>[]; cursor: string | undefined } {
  const page = list(namespace, prefix, cursor, limit);
  return { ...page, entries: page.entries.map(received) };
}

export function increment(namespace: string, key: string, delta: bigint, start?: Start<bigint>): bigint {
  const begin = start && { ...start, initial: exact(start.initial) };
  return BigInt(add(namespace, key, exact(delta), begin));
}

export { removeOne as delete, deleteMany };
