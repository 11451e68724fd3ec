import { randomUUID } from 'node:crypto';
import { Router } from 'express';
import { createTenant, listTenants } from '../../core/api/tenants.ts';
import type { TenantStore } from '../../platform/db/tenants.ts';
import { answer } from '../answer.ts';
import { jsonBody } from '../json-body.ts';
import { pageBody } from '../page-body.ts';
import { requirePermission } from '../principal.ts';
import { inputOf } from '../request-input.ts';
import { written } from '../written.ts';

export interface TenantsRouterDeps {
  tenants: Pick<TenantStore, 'create' | 'list'>;
}

export function createTenantsRouter({ tenants }: TenantsRouterDeps): Router {
  const router = Router();
  router.use(requirePermission('platform:operate'));

  router.post('/', jsonBody, async (req, res) => {
    const { name } = inputOf(createTenant.body, req.body);
    answer(res, createTenant, 201, await written(tenants.create({ tenantId: randomUUID(), name })));
  });

  router.get('/', async (req, res) => {
    const page = await tenants.list(inputOf(listTenants.query, req.query));
    answer(res, listTenants, 200, pageBody(page));
  });
  return router;
}
