import { increment as add } from 'alga:extension/storage-v2';

// componentize-js aborts a guest that passes an s64 below zero, since it takes the bits of a u64 alone
// (https://github.com/bytecodealliance/ComponentizeJS/issues/343). Its glue narrows by a BigInt of its own, which only its functions lead to.

type Increment = (namespace: string, key: string, delta: bigint, start?: unknown) => bigint;
const { constructor } = add as unknown as { constructor: (code: string) => () => BigIntConstructor };
const ofGlue = constructor('return BigInt')();
ofGlue.asIntN = (bits, whole) => BigInt.asUintN(bits, whole);

export function increment(...args: Parameters<Increment>): bigint {
  return BigInt.asIntN(64, (add as unknown as Increment)(...args));
}

export { delete, deleteMany, get, getMany, listEntries, put, putMany } from 'alga:extension/storage-v2';
