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

/** A capability's name, with or without `cap:`, as the bare name. */
const name = z.string().transform((text, ctx): CapabilityName => {
  const known = capabilityName(text);
  if (known !== undefined) return known;
  ctx.addIssue({
    code: 'custom',
    message: `is not a capability; choose from ${CAPABILITY_NAMES.join(', ')}`,
    params: { code: 'unknown_capability' },
  });
  return z.NEVER;
});

const request = z
  .strictObject({
    name,
    scope: z.record(z.string(), z.array(z.string())).default({}),
    optional: z.boolean().default(false),
    reason: z.string().min(1).max(500).optional(),
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
