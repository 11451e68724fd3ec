import { z } from 'zod';
import { issue } from './values.ts';

/** Every answer from 400 on, RFC 9457. Some routes add members of their own, which are kept. */
export const problem = z.looseObject({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  detail: z.string(),
  code: z.string(),
  requestId: z.string(),
  issues: z.array(issue).readonly().optional(),
});
export type Problem = z.infer<typeof problem>;
