import { Router, type Response } from 'express';
import type { z } from 'zod';
import { type apiKey, createApiKey, listApiKeys, revokeApiKey } from '../../core/api/api-keys.ts';
import { PlatformError } from '../../core/errors.ts';
import type { ApiKey, ApiKeyStore } from '../../platform/db/api-keys.ts';
import type { TenantStore } from '../../platform/db/tenants.ts';
import { generateApiKey } from '../../platform/tokens/api-key.ts';
import { answer } from '../answer.ts';
import { jsonBody } from '../json-body.ts';
import { pageBody } from '../page-body.ts';
import { hasPermission, principalOf, requirePermission } from '../principal.ts';
import { inputOf } from '../request-input.ts';

export interface ApiKeysRouterDeps {
  apiKeys: Pick<ApiKeyStore, 'create' | 'list' | 'revoke'>;
  tenants: Pick<TenantStore, 'find'>;
}

/** Keys of one tenant: the caller's own, or for an operator the one that `tenantId` names. */
export function createApiKeysRouter({ apiKeys, tenants }: ApiKeysRouterDeps): Router {
  const router = Router();
  router.use(requirePermission('platform:operate', 'tenant:admin'));

  router.post('/', jsonBody, async (req, res) => {
    const { name, tenantId: wanted, permissions, expiresAt } = inputOf(createApiKey.body, req.body);
    refusePast(expiresAt);
    const maker = principalOf(res);
    const tenantId = tenantFor(res, wanted);
    const excess = permissions.filter((permission) => !hasPermission(maker, permission));
    if (excess.length > 0) {
      throw new PlatformError(
        'FORBIDDEN',
        `a key cannot exceed its maker's, which lacks ${excess.join(', ')}`,
      );
    }
    if (!(await tenants.find(tenantId))) throw new PlatformError('NOT_FOUND', 'there is no such tenant');
    const { key, keyId, digest } = generateApiKey();
    const fields = { keyId, name, digest, permissions, expiresAt, createdBy: maker.keyId };
    answer(res, createApiKey, 201, { ...shown(await apiKeys.create(tenantId, fields)), key });
  });

  router.get('/', async (req, res) => {
    const { tenantId, ...page } = inputOf(listApiKeys.query, req.query);
    const { items, nextCursor } = await apiKeys.list(tenantFor(res, tenantId), page);
    answer(res, listApiKeys, 200, pageBody({ items: items.map(shown), nextCursor }));
  });

  router.delete('/:id', async (req, res) => {
    const { id } = inputOf(revokeApiKey.params, req.params);
    const { tenantId } = inputOf(revokeApiKey.query, req.query);
    const revoked = await apiKeys.revoke(tenantFor(res, tenantId), id);
    if (!revoked) throw new PlatformError('NOT_FOUND', 'there is no such key');
    answer(res, revokeApiKey, 204, undefined);
  });
  return router;
}

function tenantFor(res: Response, wanted: string | undefined): string {
  const principal = principalOf(res);
  if (wanted === undefined || wanted === principal.tenantId) return principal.tenantId;
  if (hasPermission(principal, 'platform:operate')) return wanted;
  throw new PlatformError('FORBIDDEN', 'keys of another tenant need the permission platform:operate');
}

function refusePast(expiresAt: Date | undefined): void {
  if (!expiresAt || expiresAt > new Date()) return;
  throw new PlatformError('INPUT_INVALID', 'the request has faults; see issues', {
    issues: [{ path: 'expiresAt', code: 'custom', message: 'must be in the future' }],
  });
}

function shown(key: ApiKey): z.output<typeof apiKey> {
  return { ...key, prefix: `alga_${key.keyId}` };
}
