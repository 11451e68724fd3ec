import { z } from 'zod';
import { CAPABILITY_NAMES, capabilityName } from '../capabilities.ts';
import type { CapabilityName, CapabilityScope } from '../capabilities.ts';
import { scopeSchema } from '../capability-scope.ts';

/** A capability a version asks for; an empty scope means all of it. */
export interface CapabilityRequest {
  name: CapabilityName;
  scope: CapabilityScope;
  optional: boolean;
  reason?: string | undefined;
}

/** What is asked for elsewhere in a manifest. */
const ASKED_ELSEWHERE: Partial<Record<CapabilityName, string>> = {
  'instance.shared': 'write "instance": "shared" beside "capabilities"',
  'headers.read': 'write "headers": ["stripe-signature"] in each endpoint that needs one',
};
const ASKED_BY_NAME = CAPABILITY_NAMES.filter((known) => ASKED_ELSEWHERE[known] === undefined);

/** A capability's name, with or without `cap:`, as the bare name. */
const name = z
  .string()
  .meta({ enum: ASKED_BY_NAME.flatMap((known) => [known, `cap:${known}`]) })
  .transform((text, ctx): CapabilityName => {
    const known = capabilityName(text);
    const elsewhere = known && ASKED_ELSEWHERE[known];
    if (known !== undefined && elsewhere === undefined) return known;
    const message =
      elsewhere === undefined
        ? `is not a capability; choose from ${ASKED_BY_NAME.join(', ')}`
        : `is not asked for here; ${elsewhere}`;
    ctx.addIssue({ code: 'custom', message, params: { code: 'unknown_capability' } });
    return z.NEVER;
  });

const request = z
  .strictObject({
    name,
    scope: z
      .record(z.string(), z.array(z.string()))
      .default({})
      .describe('What it is narrowed to; empty: all of it.'),
    optional: z.boolean().default(false).describe('May be declined, and the extension still works.'),
    reason: z.string().min(1).max(500).optional().describe('Shown at consent.'),
  })
  .superRefine((asked, ctx) => {
    const parsed = scopeSchema(asked.name).safeParse(asked.scope, { reportInput: true });
    for (const issue of parsed.error?.issues ?? []) {
      ctx.addIssue({ ...issue, path: ['scope', ...issue.path] });
    }
  });

/** One entry of `capabilities`: a bare name asks for the whole capability and requires it. */
export const capabilityRequest = z.union([
  name.transform((capability): CapabilityRequest => ({ name: capability, scope: {}, optional: false })),
  request,
]);
