import { PlatformError } from '../../core/errors.ts';
import { matchVersion } from '../../core/version.ts';
import type { ExtensionVersion, RegistryStore } from '../../platform/db/registry.ts';

/** The published version of an extension that `1.2.3` or `1.2.*` means. Throws NOT_FOUND. */
export async function findVersion(
  registry: Pick<RegistryStore, 'publishedVersions' | 'findVersion'>,
  extensionId: string,
  wanted: string,
): Promise<ExtensionVersion> {
  const number = matchVersion(wanted, await registry.publishedVersions(extensionId));
  const version = number === undefined ? undefined : await registry.findVersion(extensionId, number);
  if (!version) throw new PlatformError('NOT_FOUND', 'there is no such version of the extension');
  return version;
}
