import { PlatformError } from '../../core/errors.ts';
import { SecretValue } from '../../core/secret-value.ts';
import { decodeKey, sealingContext, suite, type SecretBinding } from './sealing-suite.ts';

/** Opens what `sealSecret` made for the same tenant, install and name. Throws SECRET_UNREADABLE otherwise, whatever is wrong. */
export async function openSecret(
  privateKey: SecretValue,
  binding: SecretBinding,
  sealed: string,
): Promise<SecretValue> {
  const { info, aad } = sealingContext(binding);
  const bytes = new Uint8Array(Buffer.from(sealed, 'base64'));
  const encBytes = suite.kem.encSize;
  try {
    const recipientKey = await suite.kem.deserializePrivateKey(decodeKey(privateKey.reveal()));
    const plain = await suite.open(
      { recipientKey, enc: bytes.slice(0, encBytes), info },
      bytes.slice(encBytes),
      aad,
    );
    return new SecretValue(new TextDecoder('utf-8', { fatal: true }).decode(plain));
  } catch (cause) {
    throw new PlatformError('SECRET_UNREADABLE', 'a sealed secret does not open for this install and name', {
      cause,
    });
  }
}
