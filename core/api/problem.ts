import { z } from 'zod';

const issue = z.object({
  path: z.string(),
  code: z.string(),
  message: z.string(),
  expected: z.string().exactOptional(),
});

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
