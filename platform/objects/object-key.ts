import { PlatformError } from '../../core/errors.ts';

const KEY = /^[A-Za-z0-9][A-Za-z0-9._-]*(\/[A-Za-z0-9][A-Za-z0-9._-]*)*$/;
const MAX_KEY_LENGTH = 500;

/** Refuses a key that could name something outside the store. Keys are made by `keys.ts` of checked parts, so a bad one is our bug. */
export function assertObjectKey(key: string): void {
  if (key.length > MAX_KEY_LENGTH || !KEY.test(key)) {
    throw new PlatformError('INTERNAL', `${JSON.stringify(key.slice(0, 100))} is not an object key`);
  }
}
