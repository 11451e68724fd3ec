import { canonicalJson } from '../../core/canonical-json.ts';
import { MAX_ENVELOPES, type DsseEnvelope } from '../../core/dsse-envelope.ts';
import { isPlatformError, PlatformError } from '../../core/errors.ts';
import { createHash } from 'node:crypto';
import { buffer } from 'node:stream/consumers';
import type { ObjectKeys } from '../objects/keys.ts';
import type { ObjectStore } from '../objects/object-store.ts';
import { payloadDigest, type ReceivedEnvelope } from './bundle-statement.ts';
import { parseEnvelope } from './dsse.ts';

/** An envelope's name beside its bundle, and since when it is there (RFC 3339 UTC). */
export interface StoredSignature {
  digest: string;
  receivedAt: string;
}

/** Of one that is stored, more than the largest that is taken. */
const MAX_ENVELOPE_BYTES = 128 * 1024;

/**
 * Puts an envelope beside its bundle and answers its name: the digest of its statement, or where other signatures of the same statement
 * have that name already, of the whole envelope. A second time finds it there. `there` are those that are written down; throws
 * STATE_CONFLICT if they are as many as are kept, so that none is left that nobody knows of.
 */
export async function storeEnvelope(
  objects: Pick<ObjectStore, 'read' | 'putOnce'>,
  keys: Pick<ObjectKeys, 'signature'>,
  contentHash: string,
  envelope: DsseEnvelope,
  there: readonly StoredSignature[],
): Promise<string> {
  const text = canonicalJson(envelope);
  if (there.length >= MAX_ENVELOPES) {
    const stored = await readEnvelopes(objects, keys, contentHash, there);
    if (!stored.some((one) => canonicalJson(one.envelope) === text)) throw tooManySignatures();
  }
  const bytes = Buffer.from(text);
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  const put = (digest: string): Promise<void> =>
    objects.putOnce(keys.signature(contentHash, digest), bytes, { sha256, size: bytes.byteLength });
  const digest = payloadDigest(envelope);
  try {
    await put(digest);
    return digest;
  } catch (err) {
    if (!isPlatformError(err) || err.code !== 'OBJECT_CONFLICT') throw err;
    await put(sha256);
    return sha256;
  }
}

/** Those that are there and can be read: one that is gone or damaged is a signature less. */
export async function readEnvelopes(
  objects: Pick<ObjectStore, 'read'>,
  keys: Pick<ObjectKeys, 'signature'>,
  contentHash: string,
  stored: readonly StoredSignature[],
  signal?: AbortSignal,
): Promise<ReceivedEnvelope[]> {
  const received: ReceivedEnvelope[] = [];
  for (const { digest, receivedAt } of stored) {
    const object = await objects.read(keys.signature(contentHash, digest), signal && { signal });
    if (!object) continue;
    const envelope = parseEnvelope(await textOf(object.body));
    if (envelope) received.push({ envelope, receivedAt });
  }
  return received;
}

async function textOf(body: AsyncIterable<Uint8Array>): Promise<string> {
  return (await buffer(capped(body))).toString('utf8');
}

/** What comes after the cap makes it no JSON. */
async function* capped(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let left = MAX_ENVELOPE_BYTES;
  for await (const chunk of body) {
    yield chunk.subarray(0, left);
    left -= chunk.byteLength;
    if (left <= 0) return;
  }
}

export function tooManySignatures(): PlatformError {
  return new PlatformError(
    'STATE_CONFLICT',
    `beside the bundle lie ${MAX_ENVELOPES} envelopes already, which is as many as are kept; publish a new version with the signatures that it needs`,
  );
}
