import { z } from 'zod';
import { CAPABILITY_NAMES, canBeSwitchedOff } from '../capabilities.ts';
import { listQuery, pageOf } from './page.ts';
import type { Route } from './route.ts';
import { capability, time, uuid } from './values.ts';

const tenant = z.object({ tenantId: uuid, name: z.string(), createdAt: time });

export const createTenant = {
  method: 'POST',
  path: '/api/v1/tenants',
  body: z.strictObject({ name: z.string().trim().min(1).max(200) }),
  answers: { 201: tenant },
} satisfies Route;

const tenantCapabilities = z.object({ tenantId: uuid, disabled: z.array(z.string()) });
const tenantRef = z.strictObject({ tenantId: uuid });

/** Capabilities that no install of the tenant has, whatever is granted. */
export const readTenantCapabilities = {
  method: 'GET',
  path: '/api/v1/tenants/{tenantId}/capabilities',
  params: tenantRef,
  answers: { 200: tenantCapabilities },
} satisfies Route;

/** Switches these off for the tenant, and all others on. Each gateway heeds it from its next call on. */
export const switchTenantCapabilities = {
  method: 'PUT',
  path: '/api/v1/tenants/{tenantId}/capabilities',
  params: tenantRef,
  body: z.strictObject({
    disabled: z
      .array(capability.refine(canBeSwitchedOff, 'is what every execution has and cannot be switched off'))
      .max(CAPABILITY_NAMES.length),
  }),
  answers: { 200: tenantCapabilities },
} satisfies Route;

export const listTenants = {
  method: 'GET',
  path: '/api/v1/tenants',
  query: listQuery,
  answers: { 200: pageOf(tenant) },
} satisfies Route;
