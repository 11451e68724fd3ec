import semver from 'semver';

const WILDCARD = /^(0|[1-9]\d*)\.(0|[1-9]\d*)\.\*$/;

/** `X.Y.*`. */
export function isWildcardVersion(text: string): boolean {
  return WILDCARD.test(text);
}

/** An exact semantic version without build metadata, which would make two versions equal in order. */
export function isExactVersion(text: string): boolean {
  return semver.valid(text) === text;
}

/** The version `X.Y.*` stands for at publish: the patch after the highest there is, pre-releases of it included. */
export function resolveWildcard(wildcard: string, existing: readonly string[]): string {
  const [, major, minor] = WILDCARD.exec(wildcard) ?? [];
  if (major === undefined || minor === undefined) throw new TypeError(`${wildcard} is not of the form X.Y.*`);
  const patches = existing
    .map((version) => semver.parse(version))
    .filter((version) => version?.major === Number(major) && version.minor === Number(minor))
    .map((version) => version?.patch ?? 0);
  return `${major}.${minor}.${Math.max(-1, ...patches) + 1}`;
}

/**
 * The newest published version that `wanted` allows: exactly `1.2.3`, any patch of `1.2.*`, or the newest of all. Pre-releases are
 * chosen only by their exact number. Undefined if there is none.
 */
export function matchVersion(wanted: string | undefined, published: readonly string[]): string | undefined {
  if (wanted !== undefined && !isWildcardVersion(wanted))
    return published.find((version) => version === wanted);
  return semver.maxSatisfying([...published], wanted ?? '*') ?? undefined;
}
