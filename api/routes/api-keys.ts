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
import { hasPermission, principalOf, requirePermission, type Principal } from '../principal.ts';
import { inputOf } from '../request-input.ts';
import { written } from '../written.ts';

export interface ApiKeysRouterDeps {
  apiKeys: Pick<ApiKeyStore, 'create' | 'find' | 'list' | 'revoke' | 'revokeFamily'>;
  tenants: Pick<TenantStore, 'find'>;
}

const OPERATE = 'platform:operate';

/** Keys of one tenant: the caller's own, or for an operator the one that `tenantId` names. */
export function createApiKeysRouter({ apiKeys, tenants }: ApiKeysRouterDeps): Router {
  const router = Router();
  router.use(requirePermission('platform:operate', 'tenant:admin'));

  router.post('/', jsonBody, async (req, res) => {
    const { name, tenantId: wanted, permissions, expiresAt: asked } = inputOf(createApiKey.body, req.body);
    const maker = principalOf(res);
    const expiresAt = expiryOf(asked, maker);
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
    answer(res, createApiKey, 201, { ...shown(await written(apiKeys.create(tenantId, fields))), key });
  });

  router.get('/', async (req, res) => {
    const { tenantId, ...page } = inputOf(listApiKeys.query, req.query);
    const { items, nextCursor } = await apiKeys.list(tenantFor(res, tenantId), page);
    answer(res, listApiKeys, 200, pageBody({ items: items.map(shown), nextCursor }));
  });

  router.delete('/:id', async (req, res) => {
    const { id } = inputOf(revokeApiKey.params, req.params);
    const { tenantId, children = false } = inputOf(revokeApiKey.query, req.query);
    const owner = tenantFor(res, tenantId);
    const key = await apiKeys.find(owner, id);
    if (!key) throw new PlatformError('NOT_FOUND', 'there is no such key');
    // Or a tenant's admin could lock the operator out, and nothing would bring the key back.
    const isOperator = hasPermission(principalOf(res), OPERATE);
    if (key.permissions.includes(OPERATE) && !isOperator) {
      throw new PlatformError('FORBIDDEN', `a key with ${OPERATE} is revoked by one that has it too`);
    }
    if (children) await written(apiKeys.revokeFamily(owner, id, isOperator ? 'everywhere' : 'own-tenant'));
    else await written(apiKeys.revoke(owner, id));
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

/** No key outlives its maker. Throws INPUT_INVALID for a time in the past or past the maker's. */
function expiryOf(asked: Date | undefined, { expiresAt: latest }: Principal): Date | undefined {
  if (!asked) return latest;
  if (asked <= new Date()) throw expiryInvalid('must be in the future');
  if (latest && asked > latest) {
    throw expiryInvalid(`must not be later than that of the key it is made with, ${latest.toISOString()}`);
  }
  return asked;
}

function expiryInvalid(message: string): PlatformError {
  return new PlatformError('INPUT_INVALID', 'the request has faults; see issues', {
    issues: [{ path: 'expiresAt', code: 'custom', message }],
  });
}

function shown(key: ApiKey): z.output<typeof apiKey> {
  return { ...key, prefix: `alga_${key.keyId}` };
}
