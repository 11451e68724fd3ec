import { randomUUID } from 'node:crypto';
import { Router } from 'express';
import {
  createTenant,
  listTenants,
  readTenantCapabilities,
  switchTenantCapabilities,
} from '../../core/api/tenants.ts';
import type { TenantStore } from '../../platform/db/tenants.ts';
import { PlatformError } from '../../core/errors.ts';
import { answer } from '../answer.ts';
import { jsonBody } from '../json-body.ts';
import { pageBody } from '../page-body.ts';
import { requirePermission } from '../principal.ts';
import { inputOf } from '../request-input.ts';
import { written } from '../written.ts';

export interface TenantsRouterDeps {
  tenants: Pick<TenantStore, 'create' | 'list' | 'capabilitiesOff' | 'switchCapabilitiesOff'>;
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

  router.get('/:tenantId/capabilities', async (req, res) => {
    const { tenantId } = inputOf(readTenantCapabilities.params, req.params);
    const disabled = await tenants.capabilitiesOff(tenantId);
    if (!disabled) throw noSuchTenant();
    answer(res, readTenantCapabilities, 200, { tenantId, disabled });
  });

  router.put('/:tenantId/capabilities', jsonBody, async (req, res) => {
    const { tenantId } = inputOf(switchTenantCapabilities.params, req.params);
    const asked = inputOf(switchTenantCapabilities.body, req.body);
    const disabled = [...new Set(asked.disabled)].sort();
    if (!(await written(tenants.switchCapabilitiesOff(tenantId, disabled)))) throw noSuchTenant();
    answer(res, switchTenantCapabilities, 200, { tenantId, disabled });
  });
  return router;
}

function noSuchTenant(): PlatformError {
  return new PlatformError('NOT_FOUND', 'there is no such tenant');
}
