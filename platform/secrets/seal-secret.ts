import type { SecretValue } from '../../core/secret-value.ts';
import { decodeKey, sealingContext, suite, type SecretBinding } from './sealing-suite.ts';

/**
 * Seals a value to the runner's public key (base64 of 32 bytes), for one install and one name. Answers base64 of the
 * encapsulated key and the ciphertext. Who can seal cannot open. Two seals of one value differ.
 */
export async function sealSecret(
  publicKey: string,
  binding: SecretBinding,
  value: SecretValue,
): Promise<string> {
  const recipientPublicKey = await suite.kem.deserializePublicKey(decodeKey(publicKey));
  const { info, aad } = sealingContext(binding);
  const { enc, ct } = await suite.seal(
    { recipientPublicKey, info },
    new TextEncoder().encode(value.reveal()),
    aad,
  );
  return Buffer.concat([new Uint8Array(enc), new Uint8Array(ct)]).toString('base64');
}
