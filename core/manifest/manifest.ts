import { PlatformError } from '../errors.ts';
import type { Issue } from '../errors.ts';
import { issuesOf } from '../issues.ts';
import { assetFaults, servedFiles } from './assets.ts';
import { crossCheck } from './cross-checks.ts';
import { manifestSchema, type Manifest } from './schema.ts';

export type { Manifest, ManifestInput } from './schema.ts';

/** Larger than any honest manifest, small enough for a row and for a page. */
export const MAX_MANIFEST_BYTES = 256 * 1024;

/** The manifest in its text, or MANIFEST_INVALID with every fault found, each with its JSON path and the way to right it. */
export function parseManifest(source: string | Uint8Array): Manifest {
  const parsed = manifestSchema.safeParse(parseJson(source), { reportInput: true });
  if (!parsed.success) throw manifestInvalid(issuesOf(parsed.error));
  const faults = crossCheck(parsed.data);
  if (faults.length > 0) throw manifestInvalid(faults);
  return parsed.data;
}

/**
 * Throws MANIFEST_INVALID if the manifest names a file that is not among the bundle's, or leaves out of `assets` one that browsers load.
 * For a version that is being published: it says nothing of one that was.
 */
export function checkManifestAgainstFiles(manifest: Manifest, paths: Iterable<string>): void {
  const there = new Set(paths);
  const named: [string, string | undefined][] = [
    ['icon', manifest.icon],
    ['sbom', manifest.sbom],
    ['ui.entry', manifest.ui?.entry],
    ['ui.hooks.appMenu.icon', manifest.ui?.hooks?.appMenu?.icon],
    ['ui.hooks.clientPortalMenu.icon', manifest.ui?.hooks?.clientPortalMenu?.icon],
    ...(manifest.ui?.routes ?? []).map((route, at): [string, string | undefined] => [
      `ui.routes[${at}].iframePath`,
      route.iframePath,
    ]),
  ];
  const { assets } = manifest;
  const isServed = servedFiles({ assets });
  const missing = named.flatMap(([path, file]): Issue[] => {
    if (file === undefined || there.has(file)) return [];
    const message = `names ${JSON.stringify(file)}, which is not in the bundle; add the file or correct the path`;
    return [{ path, code: 'file_missing', message }];
  });
  const unserved = named.flatMap(([path, file]): Issue[] => {
    if (file?.startsWith('ui/') !== true || !there.has(file) || isServed(file)) return [];
    const message = `names ${JSON.stringify(file)}, which no pattern of "assets" matches, so nobody could load it; add it there`;
    return [{ path, code: 'file_not_served', message }];
  });
  const issues = [...missing, ...assetFaults(assets ?? []), ...unserved];
  if (issues.length > 0) throw manifestInvalid(issues);
}

function parseJson(source: string | Uint8Array): unknown {
  if (source.length > MAX_MANIFEST_BYTES) {
    throw invalidText(`has more than ${MAX_MANIFEST_BYTES} bytes; shorten it`);
  }
  try {
    const text =
      typeof source === 'string' ? source : new TextDecoder('utf-8', { fatal: true }).decode(source);
    return JSON.parse(text) as unknown;
  } catch (cause) {
    throw invalidText(
      `is not JSON in UTF-8: ${cause instanceof Error ? cause.message : String(cause)}`,
      cause,
    );
  }
}

function invalidText(message: string, cause?: unknown): PlatformError {
  return manifestInvalid([{ path: '', code: 'invalid_json', message }], cause);
}

/** One error of all the faults. */
export function manifestInvalid(issues: readonly Issue[], cause?: unknown): PlatformError {
  const faults = issues.map(({ path, message }) => `${path === '' ? 'it' : path} ${message}`).join('; ');
  return new PlatformError('MANIFEST_INVALID', `manifest.json: ${faults}`, { issues, cause });
}
