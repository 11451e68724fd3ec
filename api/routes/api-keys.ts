import { Router, type Response } from 'express';
import type { z } from 'zod';
import { type apiKey, createApiKey, listApiKeys, revokeApiKey } from '../../core/api/api-keys.ts';
import { PlatformError, type Issue } from '../../core/errors.ts';
import {
  readOwnPermission,
  writeOwnPermission,
  type HeldPermission,
  type OwnPermission,
} from '../../core/own-permission.ts';
import { isPermission } from '../../core/permissions.ts';
import type { ApiKey, ApiKeyStore } from '../../platform/db/api-keys.ts';
import type { HydrationStore } from '../../platform/db/hydration.ts';
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
  hydration: Pick<HydrationStore, 'byExtension'>;
}

const OPERATE = 'platform:operate';

/** Keys of one tenant: the caller's own, or for an operator the one that `tenantId` names. */
export function createApiKeysRouter({ apiKeys, tenants, hydration }: ApiKeysRouterDeps): Router {
  const router = Router();
  router.use(requirePermission('platform:operate', 'tenant:admin'));

  router.post('/', jsonBody, async (req, res) => {
    const {
      name,
      tenantId: wanted,
      permissions: names,
      expiresAt: asked,
    } = inputOf(createApiKey.body, req.body);
    const permissions = names.filter(isPermission);
    const maker = principalOf(res);
    const expiresAt = expiryOf(asked, maker);
    const tenantId = tenantFor(res, wanted);
    const isAdmin = hasPermission(maker, 'tenant:admin');
    // An admin holds all that extensions name themselves.
    const excess = names.filter((held) => !(isPermission(held) ? hasPermission(maker, held) : isAdmin));
    if (excess.length > 0) {
      throw new PlatformError(
        'FORBIDDEN',
        `a key cannot exceed its maker's, which lacks ${excess.join(', ')}`,
      );
    }
    if (!(await tenants.find(tenantId))) throw new PlatformError('NOT_FOUND', 'there is no such tenant');
    const extensionPermissions = await heldPermissions(hydration, tenantId, names);
    const { key, keyId, digest } = generateApiKey();
    const fields = {
      keyId,
      name,
      digest,
      permissions,
      extensionPermissions,
      expiresAt,
      createdBy: maker.keyId,
    };
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

/** Those among the names that are of extensions' own, each of the install that serves it. Throws INPUT_INVALID for those there are not. */
async function heldPermissions(
  hydration: ApiKeysRouterDeps['hydration'],
  tenantId: string,
  names: readonly string[],
): Promise<HeldPermission[]> {
  const held: HeldPermission[] = [];
  const issues: Issue[] = [];
  for (const [at, name] of names.entries()) {
    const own = isPermission(name) ? undefined : readOwnPermission(name);
    if (!own) continue;
    const install = await hydration.byExtension(tenantId, own.extension);
    const known = install?.endpoints.map(({ permission }) => permission).filter((one) => !isPermission(one));
    if (install && known?.includes(own.permission)) held.push({ installId: install.installId, ...own });
    else issues.push({ path: `permissions[${at}]`, ...absence(own, known && [...new Set(known)]) });
  }
  if (issues.length === 0) return held;
  throw new PlatformError('INPUT_INVALID', 'the request has faults; see issues', { issues });
}

function absence({ extension, permission }: OwnPermission, known: string[] | undefined): Omit<Issue, 'path'> {
  if (!known) {
    return {
      code: 'not_installed',
      message: `${extension} is not installed in this tenant; install it first`,
    };
  }
  const choice = known.length > 0 ? `it asks for ${known.join(', ')}` : 'it names none of its own';
  return {
    code: 'unknown_permission',
    message: `${extension} asks for no permission ${permission}: ${choice}`,
  };
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
  const { extensionPermissions, permissions, ...rest } = key;
  return {
    ...rest,
    permissions: [...permissions, ...extensionPermissions.map(writeOwnPermission)],
    prefix: `alga_${key.keyId}`,
  };
}
