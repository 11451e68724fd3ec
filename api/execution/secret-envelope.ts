import { SEALING_ALGORITHM, type SecretEnvelope } from '../../core/execute.ts';
import type { HydratedInstall } from '../../platform/db/hydration.ts';

/** The install's secrets as a runner takes them, until `expiresAt`; undefined if none is granted, set, or sealed to the present key. */
export function secretEnvelopeOf(
  install: Pick<HydratedInstall, 'grants' | 'secrets' | 'secretsVersion'>,
  { secretsKeyId, expiresAt }: { secretsKeyId: string; expiresAt: number },
): SecretEnvelope | undefined {
  if (!install.grants.some(({ capability }) => capability === 'secrets.get')) return undefined;
  // Sealed to a key that was replaced: no runner could open it.
  const secrets = install.secrets.filter(({ keyId }) => keyId === secretsKeyId);
  if (secrets.length === 0) return undefined;
  return {
    version: install.secretsVersion,
    algorithm: SEALING_ALGORITHM,
    expires_at: new Date(expiresAt).toISOString(),
    entries: Object.fromEntries(secrets.map(({ name, sealed }) => [name, sealed])),
    key_id: secretsKeyId,
  };
}
