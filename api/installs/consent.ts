import { capabilityEntry, capabilityName } from '../../core/capabilities.ts';
import { PlatformError, type Issue } from '../../core/errors.ts';
import type { Manifest } from '../../core/manifest/manifest.ts';

/** Throws CAPABILITY_UNAVAILABLE if the version cannot work here, whatever an admin consents to. */
export function refuseUnavailable(manifest: Manifest): void {
  const absent = manifest.capabilities
    .filter(({ name, optional }) => !optional && !capabilityEntry(name).provided)
    .map(({ name }) => name);
  if (absent.length > 0) {
    throw new PlatformError(
      'CAPABILITY_UNAVAILABLE',
      `the version needs ${absent.join(', ')}, which this platform does not provide`,
    );
  }
}

/** Capabilities by their bare names. Throws CONSENT_INVALID if the version does not ask for one of them. */
export function checkConsent(manifest: Manifest, names: readonly string[], path: string): string[] {
  const asked = new Set(manifest.capabilities.map(({ name }) => name));
  const issues: Issue[] = [];
  const consented = names.flatMap((text, at) => {
    const name = capabilityName(text);
    if (name !== undefined && asked.has(name)) return [name];
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
