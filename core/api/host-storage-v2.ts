import { z } from 'zod';
import { name, PAGE_ENTRIES, pieceHead, recordHead, recordRef, revision, text } from './host-storage.ts';
import type { Route } from './route.ts';

// What guests ask by `storage-v2`. Paths of their own: a gateway from before them would take no notice of an end or a condition. Values
// travel in frames alone, one after the other in the body.

/** Records of one call at most, and bytes of the values that it writes. */
export const CALL_LIMITS = { records: 100, valueBytes: 256 * 1024 } as const;

const namespace = name(128);
const key = name(512);
const ttlSeconds = z.int().min(1, 'must be 1 or more; leave it out for a record that stays').max(0xffff_ffff);
/** Milliseconds since 1970. */
const expiresAt = z.int().optional();
const int64 = z.string().regex(/^-?[0-9]{1,19}$/);

const TOO_MANY = `must be at most ${CALL_LIMITS.records}`;
const areDistinct = (given: readonly string[]): boolean => new Set(given).size === given.length;
const SAID_TWICE = 'must not name a key twice';
const keys = z
  .array(key)
  .min(1, 'must name a record')
  .max(CALL_LIMITS.records, TOO_MANY)
  .refine(areDistinct, SAID_TWICE);

/** Head of a framed answer of several records. */
export const recordsHead = pieceHead.extend({
  records: z.array(pieceHead.shape.records.element.extend({ expiresAt })),
});

/** Head of a framed answer of one record. */
export const entryHead = recordHead.extend({ expiresAt });

export const getEntry = {
  method: 'POST',
  path: '/api/internal/host/storage-v2/get',
  body: recordRef,
  answers: { 200: entryHead },
} satisfies Route;

/** Answers a piece: those of the keys that are there and fit, and whether there are more of them. */
export const getEntries = {
  method: 'POST',
  path: '/api/internal/host/storage-v2/get-many',
  body: z.object({ namespace, keys }),
  answers: { 200: recordsHead },
} satisfies Route;

/** Head of a framed put of one record or more, all or none; revisions in their order. */
export const putEntries = {
  method: 'POST',
  path: '/api/internal/host/storage-v2/put',
  body: z.object({
    namespace,
    records: z
      .array(
        z.object({
          key,
          bytes: z.int().nonnegative(),
          revision: revision.optional(),
          ttlSeconds: ttlSeconds.optional(),
        }),
      )
      .min(1, 'must hold a record')
      .max(CALL_LIMITS.records, TOO_MANY)
      .refine((given) => areDistinct(given.map((one) => one.key)), SAID_TWICE),
  }),
  answers: { 200: z.object({ revisions: z.array(revision) }) },
} satisfies Route;

export const deleteEntry = {
  method: 'POST',
  path: '/api/internal/host/storage-v2/delete',
  body: recordRef.extend({ revision: revision.min(1, 'must be the revision of a record').optional() }),
  answers: { 200: z.object({}) },
} satisfies Route;

/** Whether each was there. */
export const deleteEntries = {
  method: 'POST',
  path: '/api/internal/host/storage-v2/delete-many',
  body: z.object({ namespace, keys }),
  answers: { 200: z.object({ removed: z.array(z.boolean()) }) },
} satisfies Route;

/** Integers as text: JSON's numbers end at 2^53. */
export const incrementEntry = {
  method: 'POST',
  path: '/api/internal/host/storage-v2/increment',
  body: recordRef.extend({ delta: int64, initial: int64.optional(), ttlSeconds: ttlSeconds.optional() }),
  answers: { 200: z.object({ sum: int64 }) },
} satisfies Route;

/** Answers a piece, shorter than the limit if values are large. */
export const listEntries = {
  method: 'POST',
  path: '/api/internal/host/storage-v2/list',
  body: z.object({
    namespace,
    prefix: text(512),
    cursor: text(512).optional(),
    limit: z.int().min(1).max(PAGE_ENTRIES).default(PAGE_ENTRIES),
  }),
  answers: { 200: recordsHead },
} satisfies Route;
