import { PERMISSIONS, type Permission } from '../core/permissions.ts';
import { SecretValue } from '../core/secret-value.ts';
import { migrations } from '../migrations/index.ts';
import { createApiKeyStore } from '../platform/db/api-keys.ts';
import { openDatabase } from '../platform/db/database.ts';
import { migrate } from '../platform/db/migrate.ts';
import { createTenantStore } from '../platform/db/tenants.ts';
import { parseApiKey } from '../platform/tokens/api-key.ts';
import type { LocalSecrets } from './secrets-file.ts';

const KEYS: Readonly<Record<keyof LocalSecrets['apiKeys'], readonly Permission[]>> = {
  operator: PERMISSIONS,
  admin: PERMISSIONS.filter((permission) => permission !== 'platform:operate'),
  user: ['extension:read', 'extension:write'],
};

/** Brings the database to the newest schema, with the local tenant and its three API keys in it. */
export async function prepareDatabase(
  url: string,
  secrets: Pick<LocalSecrets, 'tenantId' | 'apiKeys'>,
  log: (line: string) => void,
): Promise<void> {
  const db = openDatabase({ url: new SecretValue(url), poolMax: 2 });
  try {
    const applied = await migrate(db, migrations);
    if (applied.length > 0) log(`applied ${applied.length} migrations`);
    const { tenantId } = secrets;
    await createTenantStore(db).ensure({ tenantId, name: 'Local' });
    const apiKeys = createApiKeyStore(db);
    for (const [name, key] of Object.entries(secrets.apiKeys)) {
      const parsed = parseApiKey(key);
      if (!parsed) throw new Error(`the ${name} key in secrets.json is no API key`);
      const permissions = KEYS[name as keyof typeof KEYS];
      await apiKeys.ensure(tenantId, { ...parsed, name: `local ${name}`, permissions, createdBy: 'starter' });
    }
  } finally {
    await db.destroy();
  }
}
