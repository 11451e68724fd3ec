import { createHash } from 'node:crypto';
import { canonicalJson } from '../../core/canonical-json.ts';
import type { ExecuteRequest, Trigger } from '../../core/execute.ts';

/** What we ask of an extension for ourselves neither finds what calls left nor leaves anything to them. */
const OURS: readonly Trigger[] = ['probe', 'warm'];

/**
 * The name of the instance that an execution shares with earlier ones: of one install in one tenant, for as long as its version, config,
 * grants and secrets stay what they are. Undefined where it gets fresh state.
 */
export function sharedInstanceOf({
  context,
  config,
  providers,
  secret_envelope: secrets,
}: ExecuteRequest): string | undefined {
  const isGranted = providers.some(({ capability }) => capability === 'instance.shared');
  if (!isGranted || OURS.includes(context.trigger)) return undefined;
  const { tenant_id, install_id, version_id, content_hash, config_version } = context;
  const ids = [tenant_id, install_id, version_id, content_hash, config_version];
  // Also what a wrong stamp would hide. Secrets as they are sealed: those that were not changed stay the same.
  const given = [config, providers, secrets?.entries ?? {}];
  return createHash('sha256')
    .update(canonicalJson([...ids, ...given]))
    .digest('base64url');
}
