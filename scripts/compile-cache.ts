import path from 'node:path';

/** What Node compiled of our code, types stripped: a gateway that finds it has loaded in half the time. Where it cannot be written, Node does without. */
export const COMPILE_CACHE = path.resolve(import.meta.dirname, '..', 'dist', 'compile-cache');
