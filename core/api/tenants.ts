import { z } from 'zod';
import { listQuery, pageOf } from './page.ts';
import type { Route } from './route.ts';
import { time, uuid } from './values.ts';

const tenant = z.object({ tenantId: uuid, name: z.string(), createdAt: time });

export const createTenant = {
  method: 'POST',
  path: '/api/v1/tenants',
  body: z.strictObject({ name: z.string().trim().min(1).max(200) }),
  answers: { 201: tenant },
} satisfies Route;

export const listTenants = {
  method: 'GET',
  path: '/api/v1/tenants',
  query: listQuery,
  answers: { 200: pageOf(tenant) },
} satisfies Route;
