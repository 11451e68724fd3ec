import { createHash, createPublicKey, type KeyObject } from 'node:crypto';
import { z } from 'zod';
import { canonicalJson } from '../../core/canonical-json.ts';
import { isPlatformError, PlatformError } from '../../core/errors.ts';
import { contentHashHex } from '../../core/ids.ts';
import type { ObjectKeys } from '../objects/keys.ts';
import { IN_TOTO_TYPE, keyIdOf, parseEnvelope, signEnvelope, verifyEnvelope } from '../signatures/dsse.ts';

const STATEMENT_TYPE = 'https://in-toto.io/Statement/v1';
const PREDICATE_TYPE = 'https://alga.dev/extension/precompiled/v1';

export interface ArtifactIdentity {
  contentHash: string;
  target: string;
}

/** What a counter-signature says: these bytes were made of that bundle for this target. */
export interface ArtifactFacts extends ArtifactIdentity {
  /** Of the artifact's bytes, hex. */
  sha256: string;
}

export interface ArtifactSignature {
  /** `sha256:<hex>` of the key that signed; see keyIdOf. */
  keyId: string;
  /** DSSE envelope, JSON. */
  envelope: string;
}

const statementSchema = z.object({
  _type: z.literal(STATEMENT_TYPE),
  predicateType: z.literal(PREDICATE_TYPE),
  subject: z.tuple([z.object({ digest: z.object({ sha256: z.string() }) })]),
  predicate: z.object({ target: z.string(), artifact: z.object({ sha256: z.string() }) }),
});

/** The platform's own signature; the same key and facts give the same bytes. */
export function signArtifact(key: KeyObject, facts: ArtifactFacts): ArtifactSignature {
  const keyId = keyIdOf(createPublicKey(key));
  const envelope = canonicalJson(signEnvelope(key, keyId, IN_TOTO_TYPE, statementOf(facts, keyId)));
  return { keyId, envelope };
}

/**
 * Hex sha256 of the statement that the key signs of these facts: the name of the envelope. The statement names the key, so that each
 * key's envelope has a place of its own and a reader knows the places of the keys it trusts without a list.
 */
export function statementDigest(facts: ArtifactFacts, keyId: string): string {
  return createHash('sha256').update(statementOf(facts, keyId)).digest('hex');
}

function statementOf({ contentHash, target, sha256 }: ArtifactFacts, keyId: string): Uint8Array {
  return Buffer.from(
    canonicalJson({
      _type: STATEMENT_TYPE,
      subject: [{ name: 'bundle.tar.zst', digest: { sha256: contentHashHex(contentHash) } }],
      predicateType: PREDICATE_TYPE,
      predicate: { target, artifact: { sha256 }, keyId },
    }),
  );
}

/**
 * The artifact's sha256 in hex, and which of the trusted keys says so. Throws ARTIFACT_INVALID unless one of them signed it for this
 * bundle and target.
 */
export function verifyArtifactSignature(
  trusted: readonly KeyObject[],
  envelopeJson: string,
  { contentHash, target }: ArtifactIdentity,
): { sha256: string; keyId: string } {
  const envelope = parseEnvelope(envelopeJson);
  for (const key of envelope ? trusted : []) {
    const payload = envelope && verifyEnvelope(key, envelope, IN_TOTO_TYPE);
    if (!payload) continue;
    const statement = statementSchema.safeParse(JSON.parse(Buffer.from(payload).toString()));
    if (!statement.success) throw artifactInvalid('its counter-signature is about something else');
    const { subject, predicate } = statement.data;
    if (subject[0].digest.sha256 !== contentHashHex(contentHash))
      throw artifactInvalid('it was signed for another bundle');
    if (predicate.target !== target) throw artifactInvalid('it was signed for another target');
    return { sha256: predicate.artifact.sha256, keyId: keyIdOf(key) };
  }
  throw artifactInvalid('its counter-signature is missing or not by a key of the platform');
}

/**
 * The stored counter-signature of an artifact by the first of the trusted keys that has one, or undefined. One look-up for each key,
 * and one more where the artifacts of layout revision 1 have theirs.
 */
export async function findArtifactSignature(
  read: (key: string) => Promise<Uint8Array | undefined>,
  keys: Pick<ObjectKeys, 'signature' | 'unnamedSignature'>,
  trusted: readonly KeyObject[],
  facts: ArtifactFacts,
): Promise<ArtifactSignature | undefined> {
  const { contentHash, target } = facts;
  const places = [
    ...trusted.map((key) => keys.signature(contentHash, statementDigest(facts, keyIdOf(key)))),
    keys.unnamedSignature(contentHash, target),
  ];
  for (const place of places) {
    const bytes = await read(place);
    if (bytes === undefined) continue;
    const envelope = new TextDecoder().decode(bytes);
    const verified = verifies(trusted, envelope, facts);
    if (verified?.sha256 === facts.sha256) return { keyId: verified.keyId, envelope };
  }
  return undefined;
}

function verifies(
  trusted: readonly KeyObject[],
  envelope: string,
  facts: ArtifactFacts,
): { sha256: string; keyId: string } | undefined {
  try {
    return verifyArtifactSignature(trusted, envelope, facts);
  } catch (err) {
    if (!isPlatformError(err)) throw err;
    return undefined; // damaged or by a stranger: as good as none
  }
}

export function artifactInvalid(what: string, cause?: unknown): PlatformError {
  return new PlatformError('ARTIFACT_INVALID', `the precompiled artifact is not usable: ${what}`, { cause });
}
