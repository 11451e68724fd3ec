import { ALWAYS_GRANTED, capabilityEntry, type CapabilityScope, type Grant } from './capabilities.ts';
import { isPlatformError } from './errors.ts';
import { missingSecrets, validateConfig } from './install-config.ts';
import type { CapabilityRequest } from './manifest/capability-request.ts';
import type { Manifest } from './manifest/manifest.ts';
import { requestedCapabilities } from './manifest/permissions.ts';

/** An install as it is before an upgrade. */
export interface Upgradable {
  /** Of the version that it has. */
  manifest: Manifest;
  grants: readonly Grant[];
  config: Readonly<Record<string, unknown>>;
  /** Values of settings that this version does not have, from versions before it. */
  aside?: Readonly<Record<string, unknown>>;
  /** Names of those that are set. */
  secrets: readonly string[];
}

/** Config and secrets that come with an upgrade; a secret of null is to be removed. */
export interface GivenSettings {
  config?: Readonly<Record<string, unknown>>;
  secrets?: Readonly<Record<string, object | null>>;
}

/** What a version of an install is configured with, in the place of another. */
export interface CarriedSettings {
  /** With the version's defaults filled in; while something is needed the values that there are. */
  config: Record<string, unknown>;
  /** Values of settings that the version does not have: a later one may have them again. */
  aside: Record<string, unknown>;
  /** Paths of settings and secrets that have to be given, such as `config.url` and `secrets.TOKEN`. */
  needed: string[];
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
    settingsNeeded: carrySettings(install, next).needed,
  };
}

/** What is granted to the next version: all that it asks for and was granted, and of the rest what is consented to. */
export function grantsAfterUpgrade(
  granted: readonly Grant[],
  next: Manifest,
  consent: 'all' | readonly string[],
): Grant[] {
  return requestedCapabilities(next)
    .filter(({ name }) => !ALWAYS_GRANTED.includes(name) && capabilityEntry(name).provided)
    .filter((request) => isGranted(granted, request) || consent === 'all' || consent.includes(request.name))
    .map(({ name, scope }) => ({ capability: name, scope }));
}

/**
 * What the next version takes over of an install's settings, with what is given put over it. Values of settings that it does not have
 * are kept aside, and come back in a version that has them.
 */
export function carrySettings(
  { config, aside: before = {}, secrets }: Pick<Upgradable, 'config' | 'aside' | 'secrets'>,
  next: Pick<Manifest, 'settings' | 'secrets'>,
  given: GivenSettings = {},
): CarriedSettings {
  const isKnown = ([name]: [string, unknown]): boolean =>
    Object.hasOwn(next.settings?.properties ?? {}, name);
  const all = Object.entries({ ...before, ...config });
  const values = { ...Object.fromEntries(all.filter(isKnown)), ...given.config };
  const needed = missingSecrets(next.secrets, given.secrets ?? {}, secrets).map(({ path }) => path);
  const aside = Object.fromEntries(all.filter((entry) => !isKnown(entry)));
  try {
    return { config: validateConfig(next.settings, values), aside, needed };
  } catch (err) {
    if (!isPlatformError(err) || err.code !== 'SETTINGS_INVALID') throw err;
    return { config: values, aside, needed: [...err.issues.map(({ path }) => `config.${path}`), ...needed] };
  }
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
