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

const SHARED_INSTANCE: CapabilityName = 'instance.shared';
const ASKED_BY_NAME = CAPABILITY_NAMES.filter((known) => known !== SHARED_INSTANCE);

/** A capability's name, with or without `cap:`, as the bare name. */
const name = z.string().transform((text, ctx): CapabilityName => {
  const known = capabilityName(text);
  if (known !== undefined && known !== SHARED_INSTANCE) return known;
  const message =
    known === undefined
      ? `is not a capability; choose from ${ASKED_BY_NAME.join(', ')}`
      : 'is not asked for here; write "instance": "shared" beside "capabilities"';
  ctx.addIssue({ code: 'custom', message, params: { code: 'unknown_capability' } });
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
