import { z } from 'zod';
import type { Route } from './route.ts';

/** Text that PostgreSQL can hold, and only one way to write it. */
const text = (max: number): z.ZodString =>
  z
    .string()
    .max(max)
    .refine((given) => given.isWellFormed() && !given.includes('\0'), 'must be text without NUL');
const name = (max: number): z.ZodString => text(max).min(1);

const recordRef = z.object({ namespace: name(128), key: name(512) });

/** One record of an install. */
export const storageEntry = z.object({
  namespace: z.string(),
  key: z.string(),
  valueB64: z.base64(),
  revision: z.int().nonnegative(),
});
export type StorageEntry = z.infer<typeof storageEntry>;

export const getRecord = {
  method: 'POST',
  path: '/api/internal/host/storage/get',
  body: recordRef,
  answers: { 200: storageEntry },
} satisfies Route;

/** With a revision only over that one; 0 only if there is none. */
export const putRecord = {
  method: 'POST',
  path: '/api/internal/host/storage/put',
  body: recordRef.extend({ valueB64: z.base64(), revision: z.int().nonnegative().optional() }),
  answers: { 200: storageEntry },
} satisfies Route;

export const deleteRecord = {
  method: 'POST',
  path: '/api/internal/host/storage/delete',
  body: recordRef,
  answers: { 200: z.object({}) },
} satisfies Route;

export const listRecords = {
  method: 'POST',
  path: '/api/internal/host/storage/list',
  body: z.object({ namespace: name(128), cursor: text(512).optional() }),
  answers: { 200: z.object({ entries: z.array(storageEntry) }) },
} satisfies Route;
