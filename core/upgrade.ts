import { ALWAYS_GRANTED, capabilityEntry, type CapabilityScope, type Grant } from './capabilities.ts';
import { isPlatformError } from './errors.ts';
import { checkSecrets, validateConfig } from './install-config.ts';
import type { CapabilityRequest } from './manifest/capability-request.ts';
import type { Manifest } from './manifest/manifest.ts';
import { requestedCapabilities } from './manifest/permissions.ts';

/** An install as it is before an upgrade. */
export interface Upgradable {
  /** Of the version that it has. */
  manifest: Manifest;
  grants: readonly Grant[];
  config: Readonly<Record<string, unknown>>;
  /** Names of those that are set. */
  secrets: readonly string[];
}

export interface UpgradeCheck {
  /** Whether a person has to agree before the version may serve: it needs something that is not granted. */
  needsConsent: boolean;
  /** What it asks for beyond what is granted; not what an admin was asked for before and declined. */
  added: CapabilityRequest[];
  /** Paths of settings and secrets that have to be given, such as `config.url` and `secrets.TOKEN`. */
  settingsNeeded: string[];
}

/** What stands between an install and a version of its extension. What every install has, and what nobody serves, is not asked about. */
export function checkUpgrade(install: Upgradable, next: Manifest): UpgradeCheck {
  const declined = requestedCapabilities(install.manifest).filter(
    ({ name, optional }) => optional && !install.grants.some(({ capability }) => capability === name),
  );
  const added = requestedCapabilities(next).filter(
    (request) =>
      !ALWAYS_GRANTED.includes(request.name) &&
      capabilityEntry(request.name).provided &&
      !isGranted(install.grants, request) &&
      !(
        request.optional &&
        declined.some(({ name, scope }) => name === request.name && covers(scope, request.scope))
      ),
  );
  return {
    needsConsent: added.some(({ optional }) => !optional),
    added,
    settingsNeeded: [...missingConfig(next, install.config), ...missingSecrets(next, install.secrets)],
  };
}

function isGranted(grants: readonly Grant[], { name, scope }: CapabilityRequest): boolean {
  return grants.some((grant) => grant.capability === name && covers(grant.scope, scope));
}

/** Whether a scope allows all that another does. An absent key means all of it. */
function covers(wide: CapabilityScope, narrow: CapabilityScope): boolean {
  return Object.entries(wide).every(
    ([key, allowed]) => narrow[key]?.every((value) => allowed.includes(value)) ?? false,
  );
}

/** Values of settings that the version does not have are kept aside and do not count. */
function missingConfig({ settings }: Manifest, config: Readonly<Record<string, unknown>>): string[] {
  const known = Object.entries(config).filter(([name]) => Object.hasOwn(settings?.properties ?? {}, name));
  return faultsOf(() => validateConfig(settings, Object.fromEntries(known))).map((path) => `config.${path}`);
}

function missingSecrets({ secrets }: Manifest, set: readonly string[]): string[] {
  return faultsOf(() => checkSecrets(secrets, {}, set));
}

function faultsOf(check: () => unknown): string[] {
  try {
    check();
    return [];
  } catch (err) {
    if (!isPlatformError(err) || err.code !== 'SETTINGS_INVALID') throw err;
    return err.issues.map(({ path }) => path);
  }
}
