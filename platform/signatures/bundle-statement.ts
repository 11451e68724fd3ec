import { createHash } from 'node:crypto';
import { z } from 'zod';
import { canonicalJson } from '../../core/canonical-json.ts';
import type { DsseEnvelope } from '../../core/dsse-envelope.ts';
import { contentHashHex } from '../../core/ids.ts';
import {
  judgeSignatures,
  maySignFor,
  type GoodSignature,
  type Judgement,
  type Trust,
  type TrustUse,
} from '../../core/trust.ts';
import { readPublicKey } from '../tokens/ed25519.ts';
import { IN_TOTO_TYPE, payloadOf, verifyEnvelope } from './dsse.ts';

const STATEMENT_TYPE = 'https://in-toto.io/Statement/v1';
const PREDICATE_TYPE = 'https://alga.dev/extension/bundle/v1';

/** What a publisher signs of a bundle. */
export interface BundleFacts {
  /** `sha256:<hex>` of the bundle's bytes. */
  contentHash: string;
  /** Hex sha256 of the bytes of its manifest.json. */
  manifestSha256: string;
  name: string;
  /** As the manifest has it: a wildcard stays one. */
  version: string;
}

/** An envelope, and since when the platform has it (RFC 3339 UTC). */
export interface ReceivedEnvelope {
  envelope: DsseEnvelope;
  receivedAt: string;
}

const sha256 = z.string().regex(/^[0-9a-f]{64}$/);

// What it does not name is ignored, as in-toto has it; a second subject is not: nobody would know which one was meant.
const statementSchema = z.object({
  _type: z.literal(STATEMENT_TYPE),
  predicateType: z.literal(PREDICATE_TYPE),
  subject: z.tuple([z.object({ digest: z.object({ sha256 }) })]),
  predicate: z.object({
    manifest: z.object({ sha256 }),
    name: z.string(),
    version: z.string(),
    builder: z.object({ id: z.string() }),
  }),
});

/** In-toto Statement v1 about a bundle, to be signed as `application/vnd.in-toto+json`. `builder` names what made it. */
export function bundleStatement(
  { contentHash, manifestSha256, name, version }: BundleFacts,
  builder: { id: string },
): Uint8Array {
  return Buffer.from(
    canonicalJson({
      _type: STATEMENT_TYPE,
      subject: [{ name: 'bundle.tar.zst', digest: { sha256: contentHashHex(contentHash) } }],
      predicateType: PREDICATE_TYPE,
      predicate: { manifest: { sha256: manifestSha256 }, name, version, builder },
    }),
  );
}

/** Hex sha256 of what an envelope holds: the name of the envelope beside its bundle. */
export function payloadDigest(envelope: DsseEnvelope): string {
  return createHash('sha256').update(payloadOf(envelope)).digest('hex');
}

export interface SignedBundle {
  contentHash: string;
  /** Slug. */
  publisher: string;
  /** What else a statement must say; where it was checked before, and the bundle's hash stands for it, it is left out. */
  facts?: Omit<BundleFacts, 'contentHash'>;
}

/**
 * Whether the envelopes of a bundle satisfy what is trusted. Bytes are looked at only once a trusted key has signed them; a signature over
 * anything but this bundle counts for nothing, and the answer says so.
 */
export function judgeEnvelopes(
  trust: Trust,
  envelopes: readonly ReceivedEnvelope[],
  bundle: SignedBundle,
  use: TrustUse,
): Judgement {
  const good: GoodSignature[] = [];
  const faults: string[] = [];
  for (const { envelope, receivedAt } of envelopes) {
    for (const signature of envelope.signatures) {
      const keyId = signerOf(trust, bundle.publisher, envelope, signature);
      if (keyId === undefined) {
        faults.push(unknownSigner(trust, signature));
        continue;
      }
      const fault = statementFault(payloadOf(envelope), bundle);
      if (fault === undefined) good.push({ keyId, receivedAt });
      else faults.push(`what the key ${keyId} signed ${fault}`);
    }
  }
  const judgement = judgeSignatures(trust, bundle.publisher, good, use);
  return { ...judgement, faults: [...new Set([...judgement.faults, ...faults])] };
}

type Signature = DsseEnvelope['signatures'][number];

/** The key whose signature it is. The id beside it is a hint: it saves trying the others, and proves nothing. */
function signerOf(
  { keys }: Trust,
  publisher: string,
  envelope: DsseEnvelope,
  signature: Signature,
): string | undefined {
  const hinted = keys.filter(({ keyId }) => keyId === signature.keyid);
  const candidates = hinted.length > 0 ? hinted : keys.filter((key) => maySignFor(key, publisher));
  const alone = { ...envelope, signatures: [signature] };
  return candidates.find(({ publicKey }) => verifyEnvelope(readPublicKey(publicKey), alone, IN_TOTO_TYPE))
    ?.keyId;
}

function unknownSigner({ keys }: Trust, { keyid }: Signature): string {
  if (keyid === undefined || keyid === '')
    return 'a signature is by no key that is trusted for the publisher';
  const shown = JSON.stringify(keyid.slice(0, 100));
  return keys.some(({ keyId }) => keyId === keyid)
    ? `the signature by ${shown} is not valid, or over something that is no in-toto statement`
    : `the signature by ${shown} is by no key that is trusted for the publisher`;
}

/** What keeps what an envelope holds from being about the bundle, whoever signed it. */
export function payloadFault(envelope: DsseEnvelope, bundle: SignedBundle): string | undefined {
  return envelope.payloadType === IN_TOTO_TYPE
    ? statementFault(payloadOf(envelope), bundle)
    : `is not of the type ${IN_TOTO_TYPE}`;
}

/** What keeps a signed statement from being about the bundle. */
function statementFault(payload: Uint8Array, { contentHash, facts }: SignedBundle): string | undefined {
  const statement = statementSchema.safeParse(parseJson(payload));
  if (!statement.success) return `is no in-toto statement v1 with the predicate ${PREDICATE_TYPE}`;
  const { subject, predicate } = statement.data;
  if (subject[0].digest.sha256 !== contentHashHex(contentHash)) return 'is about another bundle';
  if (!facts) return undefined;
  if (predicate.manifest.sha256 !== facts.manifestSha256) return 'has the digest of another manifest.json';
  for (const fact of ['name', 'version'] as const) {
    if (predicate[fact] !== facts[fact])
      return `has another ${fact} than manifest.json, which has ${JSON.stringify(facts[fact])}`;
  }
  return undefined;
}

function parseJson(payload: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(payload));
  } catch {
    return undefined; // the schema refuses it
  }
}
