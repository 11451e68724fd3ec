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
    if (optional || narrowed.some(({ capability }) => capability === name)) continue;
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

/** What is left of what every install has, each grant the last that is within those before it. */
export function withheld(grants: readonly Grant[]): Grant[] {
  const left = new Map<CapabilityName, Grant>();
  for (const grant of grants.filter(({ capability }) => isAlwaysGranted(capability))) {
    const before = left.get(grant.capability);
    if (!before || scopeCovers(before.scope, grant.scope)) left.set(grant.capability, grant);
  }
  return [...left.values()];
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
