import { PlatformError, type Issue } from '../errors.ts';
import { assetFaults, matchingFaults, servedFiles } from './assets.ts';
import { readManifest } from './read-manifest.ts';
import type { Manifest } from './schema.ts';

export type { Manifest, ManifestInput } from './schema.ts';

/** The manifest in its text, or MANIFEST_INVALID with every fault found, each with its JSON path and the way to right it. */
export function parseManifest(source: string | Uint8Array): Manifest {
  const { issues, manifest } = readManifest(source);
  if (issues.length > 0 || manifest === undefined) throw manifestInvalid(issues);
  return manifest;
}

/**
 * What is wrong between a manifest and the files of its bundle: names of files that are not there, files that browsers load and `assets`
 * leaves out, patterns that are none. For a version that is being published: it says nothing of one that was.
 */
export function fileIssues(manifest: Manifest, paths: readonly string[]): Issue[] {
  const there = new Set(paths);
  const { assets } = manifest;
  const patterns = assets ?? [];
  const isServed = servedFiles({ assets });
  const named = filesNamed(manifest);
  const missing = named.flatMap(([path, file]): Issue[] => {
    if (there.has(file)) return [];
    const message = `names ${JSON.stringify(file)}, which is not in the bundle; add the file or correct the path`;
    const like = paths.find((other) => nameOf(other) === nameOf(file));
    const fix = like === undefined ? `add ${file} to the bundle` : JSON.stringify(like);
    return [{ path, code: 'file_missing', message, ...asked(file, 'a file of the bundle', fix) }];
  });
  const unserved = named.flatMap(([path, file]): Issue[] => {
    if (!file.startsWith('ui/') || !there.has(file) || isServed(file)) return [];
    const message = `names ${JSON.stringify(file)}, which no pattern of "assets" matches, so nobody could load it; add it there`;
    const fix = `"assets": ${JSON.stringify([...patterns, file])}`;
    return [{ path, code: 'file_not_served', message, ...asked(file, 'a file that "assets" matches', fix) }];
  });
  return [...missing, ...assetFaults(patterns), ...matchingFaults(patterns, paths), ...unserved];
}

function filesNamed({ entry, icon, sbom, ui }: Manifest): [path: string, file: string][] {
  const named: [string, string | undefined][] = [
    ['entry', entry],
    ['icon', icon],
    ['sbom', sbom],
    ['ui.entry', ui?.entry],
    ['ui.hooks.appMenu.icon', ui?.hooks?.appMenu?.icon],
    ['ui.hooks.clientPortalMenu.icon', ui?.hooks?.clientPortalMenu?.icon],
    ...(ui?.routes ?? []).map((route, at): [string, string | undefined] => [
      `ui.routes[${at}].iframePath`,
      route.iframePath,
    ]),
  ];
  return named.flatMap(([path, file]) => (file === undefined ? [] : [[path, file]]));
}

function asked(file: string, expected: string, fix: string): Pick<Issue, 'expected' | 'found' | 'fix'> {
  return { expected, found: JSON.stringify(file), fix };
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

/** As many as a person reads and a row holds; of a manifest made to have more, the rest is counted. */
const MAX_ISSUES = 50;

/** One error of all the faults. */
export function manifestInvalid(issues: readonly Issue[]): PlatformError {
  const told = issues.slice(0, MAX_ISSUES);
  const rest = issues.length > told.length ? `; and ${issues.length - told.length} more faults` : '';
  const faults = told.map(({ path, message }) => `${path === '' ? 'it' : path} ${message}`).join('; ');
  return new PlatformError('MANIFEST_INVALID', `manifest.json: ${faults}${rest}`, { issues: told });
}
