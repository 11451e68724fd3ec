import { getRandomBytes } from 'alga:extension/random';

export { getRandomBytes };

/** The toolchain of QuickJS would pass it as a number, which has not as many bits. */
export function getRandomU64(): bigint {
  const { buffer, byteOffset } = getRandomBytes(8);
  return new DataView(buffer, byteOffset).getBigUint64(0);
}
