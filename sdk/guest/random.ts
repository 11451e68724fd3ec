/** As the Web Cryptography API has it: more at once is no sensible wish. */
const QUOTA_BYTES = 65_536;
const SEED_BYTES = 16;
/** Rounds after which every bit of the seed has reached every number. */
const WARM_UP = 12;

type IntegerArray =
  | Int8Array
  | Uint8Array
  | Uint8ClampedArray
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array;

/** `Math.random` and `crypto` that draw from `getRandomBytes`. */
export function createRandomness(getRandomBytes: (length: number) => Uint8Array): {
  random: () => number;
  crypto: Pick<Crypto, 'getRandomValues' | 'randomUUID'>;
} {
  let next: (() => number) | undefined;

  return {
    random() {
      // Seeded when first asked, so that it is not in the snapshot every execution begins with.
      next ??= createGenerator(getRandomBytes(SEED_BYTES));
      return ((next() >>> 5) * 2 ** 26 + (next() >>> 6)) / 2 ** 53;
    },
    crypto: {
      getRandomValues(array) {
        const { buffer, byteOffset, byteLength } = integerArray(array);
        if (byteLength > QUOTA_BYTES) {
          throw new DOMException(`more than ${QUOTA_BYTES} random bytes at once`, 'QuotaExceededError');
        }
        if (byteLength > 0) new Uint8Array(buffer, byteOffset, byteLength).set(getRandomBytes(byteLength));
        return array;
      },
      randomUUID() {
        const bytes = getRandomBytes(16);
        bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40; // version 4
        bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80; // variant of RFC 9562
        const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
        return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
      },
    },
  };
}

/** sfc32 of Chris Doty-Humphrey: 32 bits at a time, and no seed that it fails with. */
function createGenerator(seed: Uint8Array): () => number {
  const words = new DataView(seed.buffer, seed.byteOffset, SEED_BYTES);
  let [a, b, c, counter] = [0, 4, 8, 12].map((at) => words.getInt32(at)) as [number, number, number, number];
  const next = (): number => {
    const sum = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + sum) | 0;
    return sum;
  };
  for (let round = 0; round < WARM_UP; round += 1) next();
  return next;
}

function integerArray(value: unknown): IntegerArray {
  const isNumbers = ArrayBuffer.isView(value) && !(value instanceof DataView);
  // Of typed arrays those of floats alone keep a fraction.
  if (!isNumbers || /Float/.test(Object.prototype.toString.call(value))) {
    throw new DOMException('random values go into an array of integers', 'TypeMismatchError');
  }
  return value as IntegerArray;
}
