import { z } from 'zod';
import { CAPABILITY_NAMES, capabilityName } from '../capabilities.ts';
import type { CapabilityName, CapabilityScope } from '../capabilities.ts';
import { settingName } from './settings-schema.ts';

const host = z
  .string()
  .max(260)
  .regex(
    /^(\*\.)?[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]{1,5})?$/,
    'must be a host such as api.example.com, *.example.com or api.example.com:8443, in lower case and without a scheme',
  );
const namespace = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/, 'must be a namespace of up to 128 of A-Z a-z 0-9 . _ -');
const route = z.string().max(200).startsWith('/', 'must be a path that begins with "/"');

/** A topic of events. */
export const topic = z
  .string()
  .max(128)
  .regex(/^[a-z0-9]+([._-][a-z0-9]+)*$/, 'must be lower case words joined by ".", "_" or "-"');

const list = <T extends z.ZodType>(item: T): z.ZodArray<T> => z.array(item).min(1).max(100);

/** What each capability may be narrowed to. One that is not here takes no scope. */
const SCOPES: Partial<Record<CapabilityName, z.ZodType<CapabilityScope>>> = {
  'http.fetch': z.strictObject({ hosts: list(host) }),
  'storage.kv': z.strictObject({ namespaces: list(namespace) }),
  'secrets.get': z.strictObject({ names: list(settingName) }),
  'ui.proxy': z.strictObject({ routes: list(route) }),
  'events.emit': z.strictObject({ topics: list(topic) }),
  'events.subscribe': z.strictObject({ topics: list(topic) }),
};

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
    const keys = Object.keys(asked.scope);
    if (keys.length === 0) return;
    const scope = SCOPES[asked.name];
    if (scope === undefined) {
      ctx.addIssue({
        code: 'custom',
        path: ['scope'],
        message: `${asked.name} cannot be narrowed; remove "scope"`,
        params: { code: 'scope_invalid' },
      });
      return;
    }
    const parsed = scope.safeParse(asked.scope, { reportInput: true });
    for (const issue of parsed.error?.issues ?? []) {
      ctx.addIssue({ ...issue, path: ['scope', ...issue.path] });
    }
  });

/** One entry of `capabilities`: a bare name asks for the whole capability and requires it. */
export const capabilityRequest = z.union([
  name.transform((capability): CapabilityRequest => ({ name: capability, scope: {}, optional: false })),
  request,
]);
