declare module 'alga:extension/random' {
  export function getRandomBytes(length: number): Uint8Array;
}
