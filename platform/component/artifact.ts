import { createHash, type KeyObject } from 'node:crypto';
import { z } from 'zod';
import { canonicalJson } from '../../core/canonical-json.ts';
import { linkedPlan } from '../../core/component/plan.ts';
import { isPlatformError } from '../../core/errors.ts';
import { DEFAULT_BUNDLE_LIMITS, type ArchiveLimits } from '../../core/tar/limits.ts';
import { packTarZst } from '../bundle/pack.ts';
import { unpackTarZst } from '../bundle/unpack.ts';
import { artifactInvalid, verifyArtifactSignature, type ArtifactIdentity } from './artifact-signature.ts';
import type { TranspiledComponent } from './transpile-component.ts';

const METADATA_FILE = 'artifact.json';
const GLUE_FILE = 'glue.js';
const CORE_FOLDER = 'core/';

/** The archive is our own work, so nothing but its size is in doubt; glue and snapshots compress well. */
const LIMITS: ArchiveLimits = { ...DEFAULT_BUNDLE_LIMITS, ratio: 1000 };

/** A component as the engine loads it, tied to the bundle it was made of. */
export interface PrecompiledArtifact extends TranspiledComponent {
  contentHash: string;
}

const metadataSchema = z.strictObject({
  contentHash: z.string(),
  target: z.string(),
  imports: z.array(z.string()),
  plan: linkedPlan.optional(),
});

/** `precompiled/<target>.tar.zst` and its sha256 in hex; the same artifact gives the same bytes. */
export async function packArtifact(
  artifact: PrecompiledArtifact & { target: string },
): Promise<{ bytes: Uint8Array; sha256: string }> {
  const { contentHash, target, imports, plan, glue, coreModules } = artifact;
  const metadata = { contentHash, target, imports, ...(plan && { plan }) };
  const bytes = await packTarZst(
    [
      { path: METADATA_FILE, bytes: Buffer.from(canonicalJson(metadata)) },
      ...(glue ? [{ path: GLUE_FILE, bytes: glue }] : []),
      ...Object.entries(coreModules).map(([name, module]) => ({
        path: `${CORE_FOLDER}${name}`,
        bytes: module,
      })),
    ],
    LIMITS,
  );
  return { bytes, sha256: sha256Hex(bytes) };
}

/**
 * Verifies an artifact's bytes against its counter-signature, then unpacks them; `keyId` is the trusted key that signed. Throws
 * ARTIFACT_INVALID.
 */
export async function openArtifact(
  trusted: readonly KeyObject[],
  identity: ArtifactIdentity,
  bytes: Uint8Array,
  envelopeJson: string,
): Promise<{ artifact: PrecompiledArtifact; keyId: string }> {
  const { sha256, keyId } = verifyArtifactSignature(trusted, envelopeJson, identity);
  if (sha256Hex(bytes) !== sha256) throw artifactInvalid('its bytes are not the ones that were signed');
  const files = await unpackFiles(bytes);
  const { contentHash, target, imports, plan } = metadataSchema.parse(
    JSON.parse(Buffer.from(file(files, METADATA_FILE)).toString()),
  );
  if (contentHash !== identity.contentHash || target !== identity.target)
    throw artifactInvalid('it describes another bundle');
  const coreModules: Record<string, Uint8Array> = {};
  for (const [path, module] of files) {
    if (path.startsWith(CORE_FOLDER)) coreModules[path.slice(CORE_FOLDER.length)] = module;
  }
  const glue = files.get(GLUE_FILE);
  if (!plan && !glue) throw artifactInvalid('it says nowhere how its core modules are linked');
  return {
    artifact: { contentHash, coreModules, imports, ...(plan && { plan }), ...(glue && { glue }) },
    keyId,
  };
}

async function unpackFiles(bytes: Uint8Array): Promise<Map<string, Uint8Array>> {
  const files = new Map<string, Uint8Array>();
  try {
    for await (const entry of unpackTarZst(bytes, LIMITS)) files.set(entry.path, await entry.bytes());
  } catch (cause) {
    if (!isPlatformError(cause)) throw cause;
    throw artifactInvalid('it cannot be unpacked', cause);
  }
  return files;
}

function file(files: ReadonlyMap<string, Uint8Array>, path: string): Uint8Array {
  const bytes = files.get(path);
  if (!bytes) throw artifactInvalid(`it holds no ${path}`);
  return bytes;
}

export function sha256Hex(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
