import { z } from 'zod';
import type { Route } from './route.ts';
import { reason, time, uuid, workUnderWay } from './values.ts';

/** The slug, or the name that it is made of. */
const publisherRef = z.strictObject({ publisher: z.string() });

const publisher = z.object({
  /** Its slug. */
  publisher: z.string(),
  name: z.string(),
  /** Whose it is: no other tenant publishes under it. */
  tenantId: uuid,
  createdAt: time,
  /** How it came to that tenant, if another had it before. */
  lastTransfer: z
    .object({
      from: uuid,
      reason: z.string(),
      /** Id of the API key. */
      requestedBy: z.string(),
      at: z.iso.datetime({ offset: true }),
    })
    .optional(),
});

export const readPublisher = {
  method: 'GET',
  path: '/api/v1/publishers/{publisher}',
  params: publisherRef,
  answers: { 200: publisher },
} satisfies Route;

/** Gives a publisher to another tenant: what is published stays, and only that tenant publishes under its name from here on. */
export const transferPublisher = {
  method: 'POST',
  path: '/api/v1/publishers/{publisher}/transfer',
  params: publisherRef,
  body: z.strictObject({ tenantId: uuid, reason }),
  answers: {
    200: publisher,
    202: z.object({ publisher: z.string(), status: z.literal('transferring'), ...workUnderWay.shape }),
  },
} satisfies Route;
