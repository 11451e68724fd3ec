import { z } from 'zod';
import type { Route } from './route.ts';

/** Text that PostgreSQL can hold, and only one way to write it. */
export const text = (max: number): z.ZodString =>
  z
    .string()
    .max(max)
    .refine((given) => given.isWellFormed() && !given.includes('\0'), 'must be text without NUL');
export const name = (max: number): z.ZodString => text(max).min(1);

export const recordRef = z.object({ namespace: name(128), key: name(512) });
export const revision = z.int().nonnegative();

/**
 * Values as they are: a JSON head and the bytes after it (`core/execute-frame.ts`). Who accepts this type is answered in it, and a put may come in
 * it. Without it values are base64 in JSON, which is all that a gateway or runner from before it speaks.
 */
export const HOST_FRAME_TYPE = 'application/vnd.alga.host-frame';

/** Entries of a page at most. A guest takes a shorter one for the end of the namespace. */
export const PAGE_ENTRIES = 100;

/** One record of an install. */
export const storageEntry = z.object({
  namespace: z.string(),
  key: z.string(),
  valueB64: z.base64(),
  revision,
});
export type StorageEntry = z.infer<typeof storageEntry>;

/** Head of a framed record; its value is the body. The answer to a framed put has none: who asked has it. */
export const recordHead = storageEntry.omit({ valueB64: true });

export const getRecord = {
  method: 'POST',
  path: '/api/internal/host/storage/get',
  body: recordRef,
  answers: { 200: storageEntry },
} satisfies Route;

/** Head of a framed put. With a revision only over that one; 0 only if there is none. */
export const putHead = recordRef.extend({ revision: revision.optional() });

export const putRecord = {
  method: 'POST',
  path: '/api/internal/host/storage/put',
  body: putHead.extend({ valueB64: z.base64() }),
  answers: { 200: storageEntry },
} satisfies Route;

export const deleteRecord = {
  method: 'POST',
  path: '/api/internal/host/storage/delete',
  body: recordRef,
  answers: { 200: z.object({}) },
} satisfies Route;

/** Head of a framed answer to a list: a piece of a page. The values lie one after the other in the body. */
export const pieceHead = z.object({
  records: z.array(z.object({ key: z.string(), revision, bytes: z.int().nonnegative() })),
  /** Whether there are more after the last of these, up to the limit. */
  more: z.boolean(),
});

/** Without frames the answer is the whole page. */
export const listRecords = {
  method: 'POST',
  path: '/api/internal/host/storage/list',
  body: z.object({
    namespace: name(128),
    cursor: text(512).optional(),
    limit: z.int().min(1).max(PAGE_ENTRIES).default(PAGE_ENTRIES),
  }),
  answers: { 200: z.object({ entries: z.array(storageEntry) }) },
} satisfies Route;
