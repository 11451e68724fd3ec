import { scopeAllows } from '../../core/capabilities.ts';
import { SEALING_ALGORITHM, type SecretEnvelope } from '../../core/execute.ts';
import type { HydratedInstall } from '../../platform/db/hydration.ts';

/** The granted secrets as a runner takes them, until `expiresAt`; undefined if none is granted, set, and sealed to the present key. */
export function secretEnvelopeOf(
  install: Pick<HydratedInstall, 'grants' | 'secrets' | 'secretsVersion'>,
  { secretsKeyId, expiresAt }: { secretsKeyId: string; expiresAt: number },
): SecretEnvelope | undefined {
  const grant = install.grants.find(({ capability }) => capability === 'secrets.get');
  if (!grant) return undefined;
  const secrets = install.secrets.filter(
    // Sealed to a key that was replaced: no runner could open it.
    ({ name, keyId }) => keyId === secretsKeyId && scopeAllows(grant.scope, 'names', name),
  );
  if (secrets.length === 0) return undefined;
  return {
    version: install.secretsVersion,
    algorithm: SEALING_ALGORITHM,
    expires_at: new Date(expiresAt).toISOString(),
    entries: Object.fromEntries(secrets.map(({ name, sealed }) => [name, sealed])),
    key_id: secretsKeyId,
  };
}
