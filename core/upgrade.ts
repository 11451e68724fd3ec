import { ALWAYS_GRANTED, capabilityEntry, type CapabilityScope, type Grant } from './capabilities.ts';
import { scopeCovers } from './capability-scope.ts';
import { isPlatformError } from './errors.ts';
import { needsHosts, withheld } from './grants.ts';
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
  const added = decidedOn(next).filter(
    (request) => !carriedScope(install, request) && !wasDeclined(install, request),
  );
  return {
    needsConsent: added.some(({ optional }) => !optional),
    added,
    settingsNeeded: carrySettings(install, next).needed,
  };
}

/**
 * What is granted to the next version: of what it asks for all that was granted, as far as an admin has left it, and of the rest what
 * is consented to; `all` is all that is asked about. Each with the scope that the admin gave it, where that is narrower; what would
 * open nothing is left out. What was withheld of what every install has stays so.
 */
export function grantsAfterUpgrade(
  install: Upgradable,
  next: Manifest,
  consent: 'all' | readonly string[],
  narrowed: readonly Grant[] = [],
): Grant[] {
  const consented =
    consent === 'all' ? checkUpgrade(install, next).added.map(({ name }) => name as string) : consent;
  const asked = decidedOn(next).flatMap((request) => {
    const { name: capability } = request;
    const scope =
      carriedScope(install, request) ?? (consented.includes(capability) ? request.scope : undefined);
    if (!scope) return [];
    const given = narrowed.find((grant) => grant.capability === capability);
    const grant = { capability, scope: given && scopeCovers(scope, given.scope) ? given.scope : scope };
    return needsHosts(grant) ? [] : [grant];
  });
  return [...asked, ...withheld([...install.grants, ...narrowed])];
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

function decidedOn(manifest: Manifest): CapabilityRequest[] {
  return requestedCapabilities(manifest).filter(
    ({ name }) => !ALWAYS_GRANTED.includes(name) && capabilityEntry(name).provided,
  );
}

type Granted = Pick<Upgradable, 'manifest' | 'grants'>;

/**
 * What the version has of a request without anybody being asked: what was granted covers it, or it is no more than was asked for before,
 * and an admin has narrowed that. Undefined if somebody has to be asked, or nothing would be left.
 */
function carriedScope(
  { manifest, grants }: Granted,
  { name, scope }: CapabilityRequest,
): CapabilityScope | undefined {
  const granted = grants.find(({ capability }) => capability === name);
  if (!granted) return undefined;
  if (scopeCovers(granted.scope, scope)) return scope;
  const isNoMore = requestedCapabilities(manifest).some(
    (before) => before.name === name && scopeCovers(before.scope, scope),
  );
  return isNoMore ? commonScope(granted.scope, scope) : undefined;
}

function wasDeclined({ manifest, grants }: Granted, { name, scope, optional }: CapabilityRequest): boolean {
  if (!optional || grants.some(({ capability }) => capability === name)) return false;
  return requestedCapabilities(manifest).some(
    (before) => before.optional && before.name === name && scopeCovers(before.scope, scope),
  );
}

/** What both allow; undefined if that is nothing. */
function commonScope(one: CapabilityScope, other: CapabilityScope): CapabilityScope | undefined {
  const common: Record<string, readonly string[]> = { ...one, ...other };
  for (const key of Object.keys(common)) {
    const [mine, theirs] = [one[key], other[key]];
    if (!mine || !theirs) continue;
    const both = [...mine, ...theirs].filter((value) =>
      [mine, theirs].every((allowed) => scopeCovers({ [key]: allowed }, { [key]: [value] })),
    );
    if (both.length === 0) return undefined;
    common[key] = [...new Set(both)];
  }
  return common;
}
