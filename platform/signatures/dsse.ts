import { createHash, sign, verify, type KeyObject } from 'node:crypto';
import { dsseEnvelope, type DsseEnvelope } from '../../core/dsse-envelope.ts';

export const IN_TOTO_TYPE = 'application/vnd.in-toto+json';

/** Signs bytes together with what they are (DSSE v1, Ed25519), so that a signature over one type says nothing about another. */
export function signEnvelope(
  key: KeyObject,
  keyId: string,
  payloadType: string,
  payload: Uint8Array,
): DsseEnvelope {
  const signature = sign(null, preAuthEncoding(payloadType, payload), key);
  return {
    payloadType,
    payload: Buffer.from(payload).toString('base64'),
    signatures: [{ keyid: keyId, sig: signature.toString('base64') }],
  };
}

/** Undefined if the JSON is no DSSE envelope. */
export function parseEnvelope(json: string): DsseEnvelope | undefined {
  try {
    return dsseEnvelope.parse(JSON.parse(json));
  } catch {
    return undefined; // not JSON, or not an envelope: the caller names the fault
  }
}

/** The payload if one of the signatures is by the key and the type is the expected one; `keyid` is a hint and decides nothing. */
export function verifyEnvelope(
  key: KeyObject,
  envelope: DsseEnvelope,
  payloadType: string,
): Uint8Array | undefined {
  if (envelope.payloadType !== payloadType) return undefined;
  const payload = payloadOf(envelope);
  const signed = preAuthEncoding(payloadType, payload);
  const valid = envelope.signatures.some(({ sig }) => verify(null, signed, key, Buffer.from(sig, 'base64')));
  return valid ? payload : undefined;
}

/** What an envelope holds, whoever signed it. */
export function payloadOf({ payload }: DsseEnvelope): Uint8Array {
  return Buffer.from(payload, 'base64'); // Node's reads both alphabets
}

/** `sha256:<hex>` of the public key's SPKI DER. */
export function keyIdOf(publicKey: KeyObject): string {
  const der = publicKey.export({ format: 'der', type: 'spki' });
  return `sha256:${createHash('sha256').update(der).digest('hex')}`;
}

function preAuthEncoding(payloadType: string, payload: Uint8Array): Buffer {
  const type = Buffer.from(payloadType);
  return Buffer.concat([
    Buffer.from(`DSSEv1 ${type.length} `),
    type,
    Buffer.from(` ${payload.length} `),
    payload,
  ]);
}
