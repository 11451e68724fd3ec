import { createApiKey } from '../core/api/api-keys.ts';
import { createApiClient, type ApiClient } from '../core/api/client.ts';
import { installExtension, type InstallAnswer } from '../core/api/installs.ts';
import { createTenant } from '../core/api/tenants.ts';
import type { Permission } from '../core/permissions.ts';
import { SecretValue } from '../core/secret-value.ts';
import { createFetchTransport } from '../platform/http/fetch-transport.ts';
import type { LocalPlatform } from './local-platform.ts';

const KEY_LIFE_MS = 60 * 60 * 1000;
const WAIT = { wait: 60 };

/** A client of one key. */
export function clientOf({ gateway }: Pick<LocalPlatform, 'gateway'>, key: string): ApiClient {
  return createApiClient(
    createFetchTransport({ baseUrl: gateway, token: new SecretValue(key), timeoutMs: 120_000 }),
  );
}

/** A new tenant, and a key of it that ends within the hour. */
export async function newTenant(local: LocalPlatform, name: string): Promise<string> {
  const operator = clientOf(local, local.keys.operator);
  const { tenantId } = (await operator(createTenant, { body: { name } })).body;
  const permissions: Permission[] = [
    'extension:read',
    'extension:write',
    'extension:install',
    'extension:publish',
  ];
  const expiresAt = new Date(Date.now() + KEY_LIFE_MS);
  const body = { tenantId, name: 'bench', permissions, expiresAt: expiresAt.toISOString() };
  return (await operator(createApiKey, { body })).body.key;
}

/** Throws if it is not there within a minute. Without a version, the latest. */
export async function install(
  local: LocalPlatform,
  key: string,
  extension: string,
  version?: string,
): Promise<InstallAnswer> {
  const body = { extension, consent: 'all' as const, ...(version !== undefined && { version }) };
  const answer = await clientOf(local, key)(installExtension, { body }, WAIT);
  if (answer.status === 202)
    throw new Error(`${extension} is still ${answer.body.status} after ${WAIT.wait} s`);
  return answer.body;
}
