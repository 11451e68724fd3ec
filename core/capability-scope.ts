import { z } from 'zod';
import type { CapabilityName, CapabilityScope } from './capabilities.ts';
import { requestHeaderName } from './request-header.ts';
import { ANY_PUBLIC_HOST, hostPattern, patternCovers } from './host-pattern.ts';
import { settingName } from './manifest/settings-schema.ts';

const namespace = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/, 'must be a namespace of up to 128 of A-Z a-z 0-9 . _ -');
/** In one spelling only: what has no `.` as a segment, no `%` and no query cannot lead elsewhere. */
const route = z
  .string()
  .max(200)
  .regex(
    /^(\/(?!\.{1,2}(?:\/|$))[A-Za-z0-9._~-]+)+$/,
    'must be a path such as /tickets/list: segments of A-Z a-z 0-9 . _ ~ - behind a "/" each, none of them "." or ".."',
  );

/** A topic of events. */
export const topic = z
  .string()
  .max(128)
  .regex(/^[a-z0-9]+([._-][a-z0-9]+)*$/, 'must be lower case words joined by ".", "_" or "-"');

const narrowedTo = (key: string, item: z.ZodType<string>): z.ZodType<CapabilityScope> =>
  z.strictObject({ [key]: z.array(item).min(1).max(100).exactOptional() });

/** What a manifest can narrow: the key of the scope, and what each value is. */
const NARROWED = {
  'http.fetch': ['hosts', hostPattern],
  'headers.read': ['names', requestHeaderName],
  'storage.kv': ['namespaces', namespace],
  'secrets.get': ['names', settingName],
  'ui.proxy': ['routes', route],
  'events.emit': ['topics', topic],
  'events.subscribe': ['topics', topic],
} as const satisfies Partial<Record<CapabilityName, readonly [string, z.ZodType<string>]>>;

const SCOPES: Partial<Record<CapabilityName, z.ZodType<CapabilityScope>>> = Object.fromEntries(
  Object.entries(NARROWED).map(([name, [key, item]]) => [name, narrowedTo(key, item)]),
);

const NO_SCOPE: z.ZodType<CapabilityScope> = z
  .record(z.string(), z.array(z.string()))
  .refine((scope) => Object.keys(scope).length === 0, {
    message: 'cannot be narrowed for this capability; remove "scope"',
    params: { code: 'scope_invalid' },
  });

/** What `user.read` tells of who called beside id and type, each of which an admin can withhold. */
const userField = z.enum(['name', 'email', 'client']);
const USER_FIELDS = z.strictObject({
  fields: z.array(userField).max(userField.options.length).exactOptional(),
});

/** What a capability may be narrowed to in a grant: as in a manifest, but for what only an admin says: any host will do, what of a user is told. */
export function grantScopeSchema(capability: CapabilityName): z.ZodType<CapabilityScope> {
  if (capability === 'user.read') return USER_FIELDS;
  if (capability !== 'http.fetch') return scopeSchema(capability);
  const anyHost = z.strictObject({ hosts: z.tuple([z.literal(ANY_PUBLIC_HOST)]) });
  return z.union([narrowedTo('hosts', hostPattern), anyHost]);
}

/** What the values of a capability's scope are called; undefined where there is nothing to narrow. */
export function scopeKey(capability: CapabilityName): string | undefined {
  if (capability === 'user.read') return 'fields';
  return Object.hasOwn(NARROWED, capability) ? NARROWED[capability as keyof typeof NARROWED][0] : undefined;
}

/** What a capability may be narrowed to in a manifest; an empty scope means all of it. */
export function scopeSchema(capability: CapabilityName): z.ZodType<CapabilityScope> {
  return SCOPES[capability] ?? NO_SCOPE;
}

/** Whether a scope allows all that another does. An absent key means all of it. */
export function scopeCovers(wide: CapabilityScope, narrow: CapabilityScope): boolean {
  return Object.entries(wide).every(([key, allowed]) => {
    const covers = key === 'hosts' ? patternCovers : (one: string, other: string): boolean => one === other;
    return narrow[key]?.every((value) => allowed.some((one) => covers(one, value))) ?? false;
  });
}
