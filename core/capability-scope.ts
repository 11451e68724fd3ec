import { z } from 'zod';
import type { CapabilityName, CapabilityScope } from './capabilities.ts';
import { settingName } from './manifest/settings-schema.ts';

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

const narrowedTo = (key: string, item: z.ZodType<string>): z.ZodType<CapabilityScope> =>
  z.strictObject({ [key]: z.array(item).min(1).max(100).exactOptional() });

const SCOPES: Partial<Record<CapabilityName, z.ZodType<CapabilityScope>>> = {
  'http.fetch': narrowedTo('hosts', host),
  'storage.kv': narrowedTo('namespaces', namespace),
  'secrets.get': narrowedTo('names', settingName),
  'ui.proxy': narrowedTo('routes', route),
  'events.emit': narrowedTo('topics', topic),
  'events.subscribe': narrowedTo('topics', topic),
};

const NO_SCOPE: z.ZodType<CapabilityScope> = z
  .record(z.string(), z.array(z.string()))
  .refine((scope) => Object.keys(scope).length === 0, {
    message: 'cannot be narrowed for this capability; remove "scope"',
    params: { code: 'scope_invalid' },
  });

/** In a grant of `http.fetch`, which without hosts opens nothing: any host that is public. */
export const ANY_PUBLIC_HOST = '*';

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
  return z.union([narrowedTo('hosts', host), anyHost]);
}

/** What a capability may be narrowed to in a manifest; an empty scope means all of it. */
export function scopeSchema(capability: CapabilityName): z.ZodType<CapabilityScope> {
  return SCOPES[capability] ?? NO_SCOPE;
}

/** Whether a scope allows all that another does. An absent key means all of it. */
export function scopeCovers(wide: CapabilityScope, narrow: CapabilityScope): boolean {
  return Object.entries(wide).every(([key, allowed]) => {
    const covers = key === 'hosts' ? hostCovers : (one: string, other: string): boolean => one === other;
    return narrow[key]?.every((value) => allowed.some((one) => covers(one, value))) ?? false;
  });
}

/** `*.example.com` is every host below that one, and no port but its own. */
function hostCovers(allowed: string, host: string): boolean {
  if (allowed === host || allowed === ANY_PUBLIC_HOST) return true;
  return allowed.startsWith('*.') && host.replace(/^\*\./, '').endsWith(allowed.slice(1));
}
