import { z } from 'zod';
import { PUBLISH_STATUSES } from '../progress.ts';
import { nothing, type Route } from './route.ts';
import { check, failureReason, step, uuid } from './values.ts';

/** How a publish stands. */
export const publish = z.object({
  uploadId: uuid,
  status: z.enum(PUBLISH_STATUSES),
  /** The step that runs. */
  step: z.string().optional(),
  steps: z.array(step),
  checks: z.array(check),
  /** Size of what was received. */
  bytes: z.int().nonnegative(),
  error: failureReason.optional(),
  versionId: uuid.optional(),
  version: z.string().optional(),
});
export type Publish = z.infer<typeof publish>;

const params = z.strictObject({ uploadId: uuid });

export const readPublish = {
  method: 'GET',
  path: '/api/v1/publishes/{uploadId}',
  params,
  answers: { 200: publish },
} satisfies Route;

/** `done` once published, `failed` when it ended otherwise. 204: the client has seen the end. */
export const watchPublish = {
  method: 'GET',
  path: '/api/v1/publishes/{uploadId}/events',
  params,
  events: publish,
  answers: { 204: nothing },
} satisfies Route;
