/** Bytes of a part, of which 200 MiB are thirteen. S3 takes no part of less than 5 MiB but the last. */
export const PART_BYTES = 16 * 1024 * 1024;

export interface Part {
  /** From 1. */
  number: number;
  /** Bytes. */
  size: number;
}

/** A part as the object store answered when it arrived. */
export interface SentPart {
  number: number;
  etag: string;
}

/** The parts of so many bytes: each of `partSize`, and the last of what is left. */
export function partsOf(size: number, partSize: number): Part[] {
  const count = Math.max(1, Math.ceil(size / partSize));
  return Array.from({ length: count }, (_, at) => ({
    number: at + 1,
    size: Math.min(partSize, size - at * partSize),
  }));
}

/** Divides the parts that are wanted into those that are there, whole, and those that are not. */
export function sortParts<Stored extends Part>(
  wanted: readonly Part[],
  stored: readonly Stored[],
): { received: Stored[]; missing: Part[] } {
  const received = stored.filter(({ number, size }) =>
    wanted.some((one) => one.number === number && one.size === size),
  );
  return { received, missing: wanted.filter(({ number }) => !received.some((one) => one.number === number)) };
}
