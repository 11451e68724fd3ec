import { randomUUID } from 'node:crypto';
import { Router } from 'express';
import { z } from 'zod';
import type { TenantStore } from '../../platform/db/tenants.ts';
import { jsonBody } from '../json-body.ts';
import { listBody, listQuery } from '../list-query.ts';
import { requirePermission } from '../principal.ts';

const tenantBody = z.strictObject({ name: z.string().trim().min(1).max(200) });

export interface TenantsRouterDeps {
  tenants: Pick<TenantStore, 'create' | 'list'>;
}

export function createTenantsRouter({ tenants }: TenantsRouterDeps): Router {
  const router = Router();
  router.use(requirePermission('platform:operate'));

  router.post('/', jsonBody, async (req, res) => {
    const { name } = tenantBody.parse(req.body);
    res.status(201).json(await tenants.create({ tenantId: randomUUID(), name }));
  });

  router.get('/', async (req, res) => {
    res.json(listBody(await tenants.list(listQuery.parse(req.query)), (tenant) => tenant));
  });
  return router;
}
