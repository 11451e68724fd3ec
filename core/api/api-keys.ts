import { z } from 'zod';
import { readOwnPermission } from '../own-permission.ts';
import { isPermission, PERMISSIONS } from '../permissions.ts';
import { listQuery, pageOf } from './page.ts';
import { nothing, type Route } from './route.ts';
import { time, uuid } from './values.ts';

/** One of the platform's, or `publisher.name:permission`: one that an extension names itself, for its endpoints in one install. */
const permissionName = z
  .string()
  .max(300)
  .refine(
    (name) => isPermission(name) || readOwnPermission(name) !== undefined,
    `must be one of ${PERMISSIONS.join(', ')}, or a permission of an extension's own, such as acme.billing:invoices:send`,
  );

export const apiKey = z.object({
  id: uuid,
  tenantId: uuid,
  name: z.string(),
  permissions: z.array(z.string()),
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
      .array(permissionName)
      .min(1)
      .max(100)
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
