import { isAlwaysGranted, type CapabilityName, type CapabilityScope, type Grant } from './capabilities.ts';
import { grantScopeSchema, scopeCovers } from './capability-scope.ts';
import { PlatformError, type Issue } from './errors.ts';
import type { CapabilityRequest } from './manifest/capability-request.ts';

/** What an admin leaves of a grant; without a scope all of it. */
export interface NarrowedGrant {
  capability: CapabilityName;
  scope?: CapabilityScope | undefined;
}

/**
 * The grants that are left of `current` when an admin keeps only these, each perhaps with a narrower scope. What every install has has a
 * grant only where it was narrowed, and stays if it is not named. Throws CONSENT_INVALID with every fault: what is not granted or allows
 * more than what is, and what is required and would be gone.
 */
export function narrowGrants(
  current: readonly Grant[],
  requested: readonly CapabilityRequest[],
  kept: readonly NarrowedGrant[],
): Grant[] {
  const issues: Issue[] = [];
  const narrowed = kept.map(({ capability, scope }, at): Grant => {
    const path = `grants[${at}]`;
    const granted = grantedOf(current, capability);
    if (kept.findIndex((other) => other.capability === capability) !== at) {
      issues.push({ path, code: 'duplicate', message: `${capability} is there twice` });
    } else if (!granted) {
      issues.push({
        path,
        code: 'not_granted',
        message: `${capability} is not granted; grants can only be narrowed`,
      });
    } else if (scope)
      issues.push(...scopeIssues(granted, scope, { path: `${path}.scope`, of: 'is granted' }));
    return { capability, scope: scope ?? granted?.scope ?? {} };
  });
  for (const { name, optional } of requested) {
    // What every install has stays if it is not named.
    if (optional || isAlwaysGranted(name) || narrowed.some(({ capability }) => capability === name)) continue;
    if (!current.some(({ capability }) => capability === name)) continue;
    const message = `the version requires ${name}: it can be narrowed and not taken away`;
    issues.push({ path: 'grants', code: 'required', message });
  }
  if (issues.length > 0)
    throw new PlatformError('CONSENT_INVALID', 'these grants cannot be what is left', { issues });
  const untouched = current.filter(
    (grant) =>
      isAlwaysGranted(grant.capability) && !kept.some(({ capability }) => capability === grant.capability),
  );
  return [...narrowed.filter(isDecided), ...untouched];
}

function grantedOf(current: readonly Grant[], capability: CapabilityName): Grant | undefined {
  const granted = current.find((grant) => grant.capability === capability);
  return granted ?? (isAlwaysGranted(capability) ? { capability, scope: {} } : undefined);
}

/** Whether somebody had to decide it: all of what every install has is no grant. */
export function isDecided({ capability, scope }: Grant): boolean {
  return !isAlwaysGranted(capability) || Object.keys(scope).length > 0;
}

/** What is left of what every install has: what each of these grants of it allows. */
export function withheld(grants: readonly Grant[]): Grant[] {
  const left = new Map<CapabilityName, CapabilityScope>();
  for (const { capability, scope } of grants.filter(({ capability }) => isAlwaysGranted(capability))) {
    left.set(capability, inBoth(left.get(capability) ?? {}, scope));
  }
  return Array.from(left, ([capability, scope]) => ({ capability, scope }));
}

/** Of scopes whose values are plain names. */
function inBoth(one: CapabilityScope, other: CapabilityScope): CapabilityScope {
  const all = Object.entries({ ...other, ...one });
  return Object.fromEntries(
    all.map(([key, values]) => [key, values.filter((value) => other[key]?.includes(value) ?? true)]),
  );
}

/** What keeps a scope from being part of another, which `of` says what it is. */
export function scopeIssues(
  { capability, scope: whole }: Grant,
  scope: CapabilityScope,
  { path, of }: { path: string; of: string },
): Issue[] {
  const parsed = grantScopeSchema(capability).safeParse(scope);
  const faults = parsed.error?.issues.map((issue) => ({
    path: [path, ...issue.path].join('.'),
    code: 'scope_invalid',
    message: issue.message,
  }));
  if (faults) return faults;
  return scopeCovers(whole, scope) ? [] : [{ path, code: 'wider', message: `allows more than what ${of}` }];
}

/** `http.fetch` without hosts opens nothing: an admin names them, or says that any public one will do. */
export function needsHosts({ capability, scope }: Grant): boolean {
  return capability === 'http.fetch' && scope['hosts'] === undefined;
}
