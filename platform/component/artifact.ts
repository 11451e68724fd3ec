import { createHash, type KeyObject } from 'node:crypto';
import { setImmediate as turn } from 'node:timers/promises';
import { z } from 'zod';
import { CORE_FOLDER, GLUE_FILE, METADATA_FILE } from '../../core/artifact-files.ts';
import { canonicalJson } from '../../core/canonical-json.ts';
import { linkedPlan } from '../../core/component/plan.ts';
import { isPlatformError } from '../../core/errors.ts';
import { DEFAULT_BUNDLE_LIMITS, type ArchiveLimits } from '../../core/tar/limits.ts';
import { packTarZst } from '../bundle/pack.ts';
import { unpackTarZst } from '../bundle/unpack.ts';
import { artifactInvalid, verifyArtifactSignature, type ArtifactIdentity } from './artifact-signature.ts';
import type { TranspiledComponent } from './transpile-component.ts';

/** Half a millisecond. */
const HASHED_AT_ONCE = 1024 * 1024;

/** The archive is our own work, so nothing but its size is in doubt; glue and snapshots compress well. */
const LIMITS: ArchiveLimits = { ...DEFAULT_BUNDLE_LIMITS, ratio: 1000 };
/** Of zstd: 1 % more bytes than the one of bundles, for whose last percent it works more than twice as long. */
const LEVEL = 9;

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
    LEVEL,
  );
  return { bytes, sha256: sha256Hex(bytes) };
}

/** An artifact whose archive is what was counter-signed. It is expanded where it runs. */
export interface VerifiedArtifact {
  contentHash: string;
  /** The tar.zst. */
  archive: Uint8Array;
  /** Linked by a plan and not by glue: its guests are metered and take turns. */
  isLinked: boolean;
}

/** An artifact's archive and the sha256 that its bytes have, in hex. */
export interface ArtifactArchive {
  bytes: Uint8Array;
  sha256: string;
}

/** In pieces with others' turns between them, since an archive may be large. `crypto.subtle` would copy it first, which takes as long. */
export async function hashArchive(bytes: Uint8Array): Promise<ArtifactArchive> {
  const hash = createHash('sha256');
  for (let at = 0; at < bytes.byteLength; at += HASHED_AT_ONCE) {
    if (at > 0) await turn();
    hash.update(bytes.subarray(at, at + HASHED_AT_ONCE));
  }
  return { bytes, sha256: hash.digest('hex') };
}

/**
 * Verifies an artifact's archive against its counter-signature, and reads what it says of itself; `keyId` is the trusted key that signed.
 * Throws ARTIFACT_INVALID.
 */
export async function openArtifact(
  trusted: readonly KeyObject[],
  identity: ArtifactIdentity,
  archive: ArtifactArchive,
  envelopeJson: string,
): Promise<{ artifact: VerifiedArtifact; keyId: string }> {
  const { sha256, keyId } = verifyArtifactSignature(trusted, envelopeJson, identity);
  if (archive.sha256 !== sha256) throw artifactInvalid('its bytes are not the ones that were signed');
  const { contentHash, target, plan } = await readMetadata(archive.bytes);
  if (contentHash !== identity.contentHash || target !== identity.target)
    throw artifactInvalid('it describes another bundle');
  return { artifact: { contentHash, archive: archive.bytes, isLinked: plan !== undefined }, keyId };
}

/** Expands no more of the archive than its first file. */
async function readMetadata(archive: Uint8Array): Promise<z.infer<typeof metadataSchema>> {
  try {
    for await (const entry of unpackTarZst(archive, LIMITS)) {
      if (entry.path !== METADATA_FILE) break;
      return metadataSchema.parse(JSON.parse(Buffer.from(await entry.bytes()).toString()));
    }
  } catch (cause) {
    const isItsFault = isPlatformError(cause) || cause instanceof SyntaxError || cause instanceof z.ZodError;
    if (!isItsFault) throw cause;
    throw artifactInvalid('it cannot be unpacked, or says of itself what is not known here', cause);
  }
  throw artifactInvalid(`it does not begin with ${METADATA_FILE}`);
}

export function sha256Hex(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
