import { z } from 'zod';
import { CAPABILITY_NAMES, capabilityName, type CapabilityName } from '../capabilities.ts';

/** RFC 3339 on the wire, a Date in code. */
export const time = z.codec(z.iso.datetime({ offset: true }), z.date(), {
  decode: (text) => new Date(text),
  encode: (date) => date.toISOString(),
});

/** Any that PostgreSQL holds: the version bits of RFC 9562 are the business of whoever made it. */
export const uuid = z.guid();

/** The parameter of an install's routes. */
export const installRef = z.strictObject({ installId: uuid });

/** What a person is shown of a failure. Newer peers have codes that this one does not know. */
export const failureReason = z.object({ code: z.string(), message: z.string() });

/** Why an operator does what they do, for whoever it concerns. */
export const reason = z.string().trim().min(1).max(1_000);

/** One step of lifecycle work. Its times stay text: rows and queries hold them as they are shown. */
export const step = z.object({
  name: z.string(),
  status: z.enum(['pending', 'running', 'done', 'failed', 'undone']),
  attempts: z.int().nonnegative(),
  startedAt: z.iso.datetime({ offset: true }).optional(),
  endedAt: z.iso.datetime({ offset: true }).optional(),
  error: failureReason.optional(),
});

/** One fault of an input; `path` is a JSON path, or the path of a file in a bundle. */
export const issue = z.object({
  path: z.string(),
  code: z.string(),
  message: z.string(),
  expected: z.string().exactOptional(),
  found: z.string().exactOptional(),
  fix: z.string().exactOptional(),
});

/** One verification check. A failed one that is not required is advice. */
export const check = z.object({
  name: z.string(),
  result: z.enum(['passed', 'failed', 'skipped']),
  required: z.boolean(),
  detail: z.string().optional(),
  issues: z.array(issue).readonly().optional(),
});

const scope = z.record(z.string(), z.array(z.string()).readonly());

/** A capability's name, with or without `cap:`, as the bare name. */
export const capability = z.string().transform((text, ctx): CapabilityName => {
  const name = capabilityName(text);
  if (name !== undefined) return name;
  ctx.addIssue({
    code: 'custom',
    message: `is not a capability; choose from ${CAPABILITY_NAMES.join(', ')}`,
  });
  return z.NEVER;
});

/** A capability allowed to an install; an empty scope means all of it, and of `http.fetch` nothing. The catalogue grows: a client takes any name. */
export const grant = z.object({ capability: z.string(), scope });

/** One line of what an admin is asked to consent to. */
export const permission = grant.extend({
  optional: z.boolean(),
  always: z.boolean(),
  summary: z.string(),
  reason: z.string().optional(),
});

/**
 * A change of config or secrets that was asked for and has not been applied: under way, or failed for good, which is told for a day. One
 * that is no longer here was applied.
 */
export const configChange = z.object({
  changeId: uuid,
  status: z.enum(['configuring', 'failed']),
  requestedAt: time,
  error: failureReason.optional(),
});

/** What stands beside a resource in a 202: where to look for the end, and the workflow that works on it. */
export const workUnderWay = z.object({ url: z.string(), workflowId: z.string() });
