import { createHash, createPublicKey, type KeyObject } from 'node:crypto';
import { z } from 'zod';
import { canonicalJson } from '../../core/canonical-json.ts';
import { isPlatformError, PlatformError } from '../../core/errors.ts';
import { contentHashHex } from '../../core/ids.ts';
import { DEFAULT_BUNDLE_LIMITS, type ArchiveLimits } from '../../core/tar/limits.ts';
import { packTarZst } from '../bundle/pack.ts';
import { unpackTarZst } from '../bundle/unpack.ts';
import { IN_TOTO_TYPE, keyIdOf, parseEnvelope, signEnvelope, verifyEnvelope } from '../signatures/dsse.ts';

const STATEMENT_TYPE = 'https://in-toto.io/Statement/v1';
const PREDICATE_TYPE = 'https://alga.dev/extension/precompiled/v1';

const METADATA_FILE = 'artifact.json';
const GLUE_FILE = 'glue.js';
const CORE_FOLDER = 'core/';

/** The archive is our own work, so nothing but its size is in doubt; glue and snapshots compress well. */
const LIMITS: ArchiveLimits = { ...DEFAULT_BUNDLE_LIMITS, ratio: 1000 };

/** A component as the engine loads it, tied to the bundle it was made of. */
export interface PrecompiledArtifact {
  contentHash: string;
  glue: Uint8Array;
  /** By the file name the glue asks for. */
  coreModules: Record<string, Uint8Array>;
  imports: string[];
}

export interface ArtifactIdentity {
  contentHash: string;
  target: string;
}

const metadataSchema = z.strictObject({
  contentHash: z.string(),
  target: z.string(),
  imports: z.array(z.string()),
});

const statementSchema = z.object({
  _type: z.literal(STATEMENT_TYPE),
  predicateType: z.literal(PREDICATE_TYPE),
  subject: z.tuple([z.object({ digest: z.object({ sha256: z.string() }) })]),
  predicate: z.object({ target: z.string(), artifact: z.object({ sha256: z.string() }) }),
});

/** `precompiled/<target>.tar.zst` and its sha256 in hex; the same artifact gives the same bytes. */
export async function packArtifact(
  artifact: PrecompiledArtifact & { target: string },
): Promise<{ bytes: Uint8Array; sha256: string }> {
  const { contentHash, target, imports, glue, coreModules } = artifact;
  const bytes = await packTarZst(
    [
      { path: METADATA_FILE, bytes: Buffer.from(canonicalJson({ contentHash, target, imports })) },
      { path: GLUE_FILE, bytes: glue },
      ...Object.entries(coreModules).map(([name, module]) => ({
        path: `${CORE_FOLDER}${name}`,
        bytes: module,
      })),
    ],
    LIMITS,
  );
  return { bytes, sha256: sha256Hex(bytes) };
}

/** The platform's own signature that says: this artifact was made of that bundle for this target. */
export function signArtifact(
  key: KeyObject,
  { contentHash, target, sha256 }: ArtifactIdentity & { sha256: string },
): string {
  const statement = {
    _type: STATEMENT_TYPE,
    subject: [{ name: 'bundle.tar.zst', digest: { sha256: contentHashHex(contentHash) } }],
    predicateType: PREDICATE_TYPE,
    predicate: { target, artifact: { sha256 } },
  };
  const keyId = keyIdOf(createPublicKey(key));
  return canonicalJson(signEnvelope(key, keyId, IN_TOTO_TYPE, Buffer.from(canonicalJson(statement))));
}

/** The artifact's sha256 in hex. Throws ARTIFACT_INVALID unless our key signed it for this bundle and target. */
export function verifyArtifactSignature(
  publicKey: KeyObject,
  envelopeJson: string,
  { contentHash, target }: ArtifactIdentity,
): { sha256: string } {
  const envelope = parseEnvelope(envelopeJson);
  const payload = envelope && verifyEnvelope(publicKey, envelope, IN_TOTO_TYPE);
  if (!payload) throw invalid('its counter-signature is missing or not by the platform');
  const statement = statementSchema.safeParse(JSON.parse(Buffer.from(payload).toString()));
  if (!statement.success) throw invalid('its counter-signature is about something else');
  const { subject, predicate } = statement.data;
  if (subject[0].digest.sha256 !== contentHashHex(contentHash))
    throw invalid('it was signed for another bundle');
  if (predicate.target !== target) throw invalid('it was signed for another target');
  return { sha256: predicate.artifact.sha256 };
}

/** Verifies an artifact's bytes against its counter-signature, then unpacks them. Throws ARTIFACT_INVALID. */
export async function openArtifact(
  publicKey: KeyObject,
  identity: ArtifactIdentity,
  bytes: Uint8Array,
  envelopeJson: string,
): Promise<PrecompiledArtifact> {
  const { sha256 } = verifyArtifactSignature(publicKey, envelopeJson, identity);
  if (sha256Hex(bytes) !== sha256) throw invalid('its bytes are not the ones that were signed');
  const files = await unpackFiles(bytes);
  const { contentHash, target, imports } = metadataSchema.parse(
    JSON.parse(Buffer.from(file(files, METADATA_FILE)).toString()),
  );
  if (contentHash !== identity.contentHash || target !== identity.target)
    throw invalid('it describes another bundle');
  const coreModules: Record<string, Uint8Array> = {};
  for (const [path, module] of files) {
    if (path.startsWith(CORE_FOLDER)) coreModules[path.slice(CORE_FOLDER.length)] = module;
  }
  return { contentHash, glue: file(files, GLUE_FILE), coreModules, imports };
}

async function unpackFiles(bytes: Uint8Array): Promise<Map<string, Uint8Array>> {
  const files = new Map<string, Uint8Array>();
  try {
    for await (const entry of unpackTarZst(bytes, LIMITS)) files.set(entry.path, await entry.bytes());
  } catch (cause) {
    if (!isPlatformError(cause)) throw cause;
    throw invalid('it cannot be unpacked', cause);
  }
  return files;
}

function file(files: ReadonlyMap<string, Uint8Array>, path: string): Uint8Array {
  const bytes = files.get(path);
  if (!bytes) throw invalid(`it holds no ${path}`);
  return bytes;
}

function invalid(what: string, cause?: unknown): PlatformError {
  return new PlatformError('ARTIFACT_INVALID', `the precompiled artifact is not usable: ${what}`, { cause });
}

function sha256Hex(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
