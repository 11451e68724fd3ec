import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';
import { METADATA_ENCODING_KEY, type Payload, type PayloadCodec } from '@temporalio/common';
import proto from '@temporalio/proto';
import { PlatformError } from '../../core/errors.ts';
import type { SecretValue } from '../../core/secret-value.ts';

const ENCODING = 'binary/encrypted';
const KEY_ID = 'encryption-key-id';
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

// A default import because Node finds no named exports in this package.
const PayloadProto = proto.temporal.api.common.v1.Payload;

/** Base64 of 32 bytes each. The first encrypts, each decrypts what it encrypted: those after it are of a rotation. */
export type CodecKeys = readonly [SecretValue, ...SecretValue[]];

/**
 * Encrypts every payload with AES-256-GCM; data is nonce, ciphertext, tag. What is not encrypted passes through when decoding, so that
 * a payload the server made itself can be read.
 */
export function createPayloadCodec([current, ...previous]: CodecKeys): PayloadCodec {
  const own = namedKey(current, 'PAYLOAD_CODEC_KEY');
  const keys = new Map([...previous.map((key) => namedKey(key, 'each of PAYLOAD_CODEC_PREVIOUS_KEYS')), own]);
  return {
    encode: (payloads) => attempt(() => payloads.map((payload) => encrypt(own, payload))),
    decode: (payloads) => attempt(() => payloads.map((payload) => decrypt(keys, payload))),
  };
}

function namedKey(key: SecretValue, variable: string): [id: string, key: Buffer] {
  const bytes = Buffer.from(key.reveal(), 'base64');
  if (bytes.byteLength !== 32) {
    throw new PlatformError('CONFIG_INVALID', `${variable} must be the base64 of 32 bytes`);
  }
  return [codecKeyId(bytes), bytes];
}

/** Tells which key a payload needs, and nothing of the key. */
function codecKeyId(key: Buffer): string {
  return createHash('sha256').update(key).digest('hex').slice(0, 16);
}

function encrypt([keyId, key]: [string, Buffer], payload: Payload): Payload {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv('aes-256-gcm', key, nonce);
  const plain = PayloadProto.encode(payload).finish();
  const data = Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
  return {
    metadata: { [METADATA_ENCODING_KEY]: Buffer.from(ENCODING), [KEY_ID]: Buffer.from(keyId) },
    data,
  };
}

function decrypt(keys: ReadonlyMap<string, Buffer>, payload: Payload): Payload {
  const { metadata, data } = payload;
  if (text(metadata?.[METADATA_ENCODING_KEY]) !== ENCODING) return payload;
  const needed = text(metadata?.[KEY_ID]) ?? '(none named)';
  const key = keys.get(needed);
  if (!key) {
    const held = [...keys.keys()].join(', ');
    throw new PlatformError('INTERNAL', `a payload needs codec key ${needed}, this process has ${held}`);
  }
  if (!data || data.byteLength < NONCE_BYTES + TAG_BYTES) {
    throw new PlatformError('INTERNAL', 'an encrypted payload is too short');
  }
  try {
    const decipher = createDecipheriv('aes-256-gcm', key, data.subarray(0, NONCE_BYTES));
    decipher.setAuthTag(data.subarray(-TAG_BYTES));
    const plain = Buffer.concat([decipher.update(data.subarray(NONCE_BYTES, -TAG_BYTES)), decipher.final()]);
    return PayloadProto.decode(plain);
  } catch (cause) {
    throw new PlatformError('INTERNAL', 'an encrypted payload does not authenticate: it was changed', {
      cause,
    });
  }
}

/** The codec's contract is asynchronous: a fault is a rejection, not an exception. */
function attempt<Result>(work: () => Result): Promise<Result> {
  return new Promise((resolve) => resolve(work()));
}

function text(bytes: Uint8Array | null | undefined): string | undefined {
  return bytes ? Buffer.from(bytes).toString('utf8') : undefined;
}
