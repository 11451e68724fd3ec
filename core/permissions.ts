/** What an API key may do, from least to most. `platform:operate` is the only one that reaches beyond its own tenant. */
export const PERMISSIONS = [
  'extension:read', // look at extensions, call GET and HEAD endpoints
  'extension:write', // call the other endpoints
  'extension:install', // install, configure, consent
  'extension:publish',
  'extension:debug',
  'tenant:admin', // everything about keys of its own tenant, and all that extensions name themselves (own-permission.ts)
  'platform:operate',
] as const;

export type Permission = (typeof PERMISSIONS)[number];

export function isPermission(name: string): name is Permission {
  return (PERMISSIONS as readonly string[]).includes(name);
}
