import {
  ALWAYS_GRANTED,
  isAlwaysGranted,
  capabilityEntry,
  capabilityName,
  type CapabilityName,
  type Grant,
} from '../../core/capabilities.ts';
import type { ConsentItem } from '../../core/api/installs.ts';
import { PlatformError, type Issue } from '../../core/errors.ts';
import { isDecided as isDecidedGrant, scopeIssues } from '../../core/grants.ts';
import type { Manifest } from '../../core/manifest/manifest.ts';
import { requestedCapabilities } from '../../core/manifest/permissions.ts';

/** Throws CAPABILITY_UNAVAILABLE if the version cannot work here, whatever an admin consents to. */
export function refuseUnavailable(manifest: Manifest): void {
  const absent = requestedCapabilities(manifest)
    .filter(({ name, optional }) => !optional && !capabilityEntry(name).provided)
    .map(({ name }) => name);
  if (absent.length > 0) {
    throw new PlatformError(
      'CAPABILITY_UNAVAILABLE',
      `the version needs ${absent.join(', ')}, which this platform does not provide`,
    );
  }
}

/**
 * Capabilities to decide on, by their bare names. What an admin is shown beside them (granted to every install, or provided by nobody)
 * may be named and decides nothing. Throws CONSENT_INVALID for any other that the version does not ask for.
 */
function checkConsent(manifest: Manifest, names: readonly string[], path: string): string[] {
  const shown = new Set([...requestedCapabilities(manifest).map(({ name }) => name), ...ALWAYS_GRANTED]);
  const issues: Issue[] = [];
  const consented = names.flatMap((text, at) => {
    const name = capabilityName(text);
    if (name !== undefined && shown.has(name)) return isDecided(name) ? [name] : [];
    issues.push({
      path: `${path}[${at}]`,
      code: 'not_asked_for',
      message: 'is not a capability that this version asks for',
    });
    return [];
  });
  if (issues.length > 0) {
    throw new PlatformError('CONSENT_INVALID', 'the consent names what the version does not ask for', {
      issues,
    });
  }
  return [...new Set(consented)].sort();
}

/**
 * The same where some come with a narrower scope, which must be one of the capability and within what the version asks for, or within
 * what every install has: so an admin withholds some of that.
 */
export function readConsent(
  manifest: Manifest,
  items: readonly ConsentItem[],
  path: string,
): { names: string[]; narrowed: Grant[] } {
  const names = checkConsent(
    manifest,
    items.map((item) => (typeof item === 'string' ? item : item.capability)),
    path,
  );
  const issues: Issue[] = [];
  const narrowed = items.flatMap((item, at): Grant[] => {
    const capability = typeof item === 'string' ? undefined : capabilityName(item.capability);
    if (typeof item === 'string' || capability === undefined) return [];
    const always = isAlwaysGranted(capability);
    const asked = requestedCapabilities(manifest).find(({ name }) => name === capability);
    if (!always && !names.includes(capability)) return [];
    const whole = { capability, scope: always ? {} : (asked?.scope ?? {}) };
    issues.push(...scopeIssues(whole, item.scope, { path: `${path}[${at}].scope`, of: 'is asked for' }));
    return [{ capability, scope: item.scope }].filter(isDecidedGrant);
  });
  if (issues.length > 0) {
    throw new PlatformError('CONSENT_INVALID', 'the consent has scopes that cannot be given', { issues });
  }
  return { names, narrowed };
}

function isDecided(name: CapabilityName): boolean {
  return !isAlwaysGranted(name) && capabilityEntry(name).provided;
}
