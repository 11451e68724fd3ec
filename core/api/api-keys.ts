import { z } from 'zod';
import { PERMISSIONS } from '../permissions.ts';
import { listQuery, pageOf } from './page.ts';
import { nothing, type Route } from './route.ts';
import { time, uuid } from './values.ts';

export const apiKey = z.object({
  id: uuid,
  tenantId: uuid,
  name: z.string(),
  permissions: z.array(z.enum(PERMISSIONS)),
  expiresAt: time.optional(),
  revokedAt: time.optional(),
  createdBy: z.string(),
  createdAt: time,
  /** The key without its secret half. */
  prefix: z.string(),
});

/** The caller's own tenant unless an operator names another. */
const tenantQuery = z.strictObject({ tenantId: uuid.optional() });

export const createApiKey = {
  method: 'POST',
  path: '/api/v1/api-keys',
  body: tenantQuery.extend({
    name: z.string().trim().min(1).max(200),
    permissions: z
      .array(z.enum(PERMISSIONS))
      .min(1)
      .transform((names) => [...new Set(names)]),
    /** In the future. */
    expiresAt: time.optional(),
  }),
  /** `key` is shown this once. */
  answers: { 201: apiKey.extend({ key: z.string() }) },
} satisfies Route;

export const listApiKeys = {
  method: 'GET',
  path: '/api/v1/api-keys',
  query: listQuery.extend(tenantQuery.shape),
  answers: { 200: pageOf(apiKey) },
} satisfies Route;

export const revokeApiKey = {
  method: 'DELETE',
  path: '/api/v1/api-keys/{id}',
  params: z.strictObject({ id: uuid }),
  /** `children`: also what was made with the key, and with that, for ever; an operator's in every tenant, else in the key's own. */
  query: tenantQuery.extend({ children: z.stringbool({ truthy: ['true'], falsy: ['false'] }).optional() }),
  answers: { 204: nothing },
} satisfies Route;
