import { Router, type Response } from 'express';
import { z } from 'zod';
import { PlatformError } from '../../core/errors.ts';
import { PERMISSIONS } from '../../core/permissions.ts';
import type { ApiKey, ApiKeyStore } from '../../platform/db/api-keys.ts';
import type { TenantStore } from '../../platform/db/tenants.ts';
import { generateApiKey } from '../../platform/tokens/api-key.ts';
import { jsonBody } from '../json-body.ts';
import { listBody, listQuery } from '../list-query.ts';
import { hasPermission, principalOf, requirePermission } from '../principal.ts';

const keyBody = z.strictObject({
  name: z.string().trim().min(1).max(200),
  tenantId: z.uuid().optional(),
  permissions: z
    .array(z.enum(PERMISSIONS))
    .min(1)
    .transform((names) => [...new Set(names)]),
  expiresAt: z.iso
    .datetime({ offset: true })
    .transform((text) => new Date(text))
    .refine((time) => time > new Date(), 'must be in the future')
    .optional(),
});
const tenantQuery = z.object({ tenantId: z.uuid().optional() });
const keyParams = z.strictObject({ id: z.uuid() });

export interface ApiKeysRouterDeps {
  apiKeys: Pick<ApiKeyStore, 'create' | 'list' | 'revoke'>;
  tenants: Pick<TenantStore, 'find'>;
}

/** Keys of one tenant: the caller's own, or for an operator the one that `tenantId` names. */
export function createApiKeysRouter({ apiKeys, tenants }: ApiKeysRouterDeps): Router {
  const router = Router();
  router.use(requirePermission('platform:operate', 'tenant:admin'));

  router.post('/', jsonBody, async (req, res) => {
    const { name, tenantId: wanted, permissions, expiresAt } = keyBody.parse(req.body);
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
    res.status(201).json({ ...shown(await apiKeys.create(tenantId, fields)), key });
  });

  router.get('/', async (req, res) => {
    const { tenantId, ...page } = listQuery.extend(tenantQuery.shape).parse(req.query);
    res.json(listBody(await apiKeys.list(tenantFor(res, tenantId), page), shown));
  });

  router.delete('/:id', async (req, res) => {
    const { id } = keyParams.parse(req.params);
    const { tenantId } = tenantQuery.strict().parse(req.query);
    const revoked = await apiKeys.revoke(tenantFor(res, tenantId), id);
    if (!revoked) throw new PlatformError('NOT_FOUND', 'there is no such key');
    res.status(204).end();
  });
  return router;
}

function tenantFor(res: Response, wanted: string | undefined): string {
  const principal = principalOf(res);
  if (wanted === undefined || wanted === principal.tenantId) return principal.tenantId;
  if (hasPermission(principal, 'platform:operate')) return wanted;
  throw new PlatformError('FORBIDDEN', 'keys of another tenant need the permission platform:operate');
}

function shown({ keyId, ...key }: ApiKey): Record<string, unknown> {
  return { ...key, prefix: `alga_${keyId}` };
}
