import { createHash } from 'node:crypto';
import { Router } from 'express';
import { listExtensions, listVersions, readExtension, readVersion } from '../../core/api/extensions.ts';
import { revokeVersion, signVersion } from '../../core/api/trust-keys.ts';
import { canonicalJson } from '../../core/canonical-json.ts';
import { PlatformError } from '../../core/errors.ts';
import { isExtensionRef, trustWorkflowId } from '../../core/ids.ts';
import { permissionsOf } from '../../core/manifest/permissions.ts';
import { isExactVersion } from '../../core/version.ts';
import type { Extension, ExtensionVersion, RegistryStore } from '../../platform/db/registry.ts';
import type { SignatureStore } from '../../platform/db/signatures.ts';
import { NO_TENANT, type RowChanges } from '../../platform/db/row-changes.ts';
import { answer } from '../answer.ts';
import { jsonBody } from '../json-body.ts';
import { onceBegun } from '../once-begun.ts';
import { orUnknown } from '../or-unknown.ts';
import { pageBody } from '../page-body.ts';
import { preferredWait, waitAsPreferred } from '../prefer-wait.ts';
import { principalOf, requirePermission } from '../principal.ts';
import { createRateLimit } from '../rate-limit.ts';
import { inputOf } from '../request-input.ts';
import type { WorkflowStarter } from '../workflow-starter.ts';

/** Of one key at one gateway: each begins a workflow, which reads from the object store. */
const SIGNATURES = { burst: 60, perSecond: 1 };

export type ExtensionsRouterDeps = {
  registry: Pick<RegistryStore, 'findExtension' | 'findVersion' | 'listExtensions' | 'listVersions'>;
  signatures: Pick<SignatureStore, 'checkSignable'>;
  workflows: Pick<WorkflowStarter, 'changeTrust'>;
  changes: RowChanges;
};

/** The registry, which all tenants share. */
export function createExtensionsRouter(deps: ExtensionsRouterDeps): Router {
  const { registry, signatures, workflows, changes } = deps;
  const signing = createRateLimit(SIGNATURES);
  const router = Router();
  router.use(requirePermission('extension:read'));

  router.get('/', async (req, res) => {
    const page = await registry.listExtensions(inputOf(listExtensions.query, req.query));
    answer(res, listExtensions, 200, pageBody(page));
  });

  router.get('/:extension', async (req, res) => {
    answer(res, readExtension, 200, await findExtension(req.params.extension));
  });

  router.get('/:extension/versions', async (req, res) => {
    const { extensionId } = await findExtension(req.params.extension);
    const page = await registry.listVersions(extensionId, inputOf(listVersions.query, req.query));
    answer(res, listVersions, 200, pageBody(page));
  });

  router.get('/:extension/versions/:version', async (req, res) => {
    const version = await findVersion(req.params.extension, req.params.version);
    answer(res, readVersion, 200, versionBody(version));
  });

  router.post(
    '/:extension/versions/:version/revoke',
    requirePermission('platform:operate'),
    jsonBody,
    async (req, res) => {
      const { extension, version: number } = inputOf(revokeVersion.params, req.params);
      const { reason } = inputOf(revokeVersion.body, req.body);
      const { versionId } = await findVersion(extension, number);
      const input = { versionId, reason, requestedBy: principalOf(res).keyId };
      const kind = 'revoke-version';
      await orUnknown(workflows.changeTrust({ kind, id: versionId, input }));
      const url = `/api/v1/extensions/${extension}/versions/${number}`;
      const read = (): Promise<ExtensionVersion> => findVersion(extension, number);
      const watched = { tenantId: NO_TENANT, table: 'extension_version', id: versionId, read } as const;
      const version = await onceBegun(waitAsPreferred(changes, req, res, watched, isRevoked));
      if (version && preferredWait(req) > 0 && isRevoked(version)) {
        answer(res.location(url), revokeVersion, 200, versionBody(version));
        return;
      }
      const workflowId = trustWorkflowId(kind, versionId);
      answer(res.location(url), revokeVersion, 202, { versionId, status: 'revoked', url, workflowId });
    },
  );

  router.post(
    '/:extension/versions/:version/signatures',
    requirePermission('extension:publish'),
    jsonBody,
    async (req, res) => {
      const { extension, version: number } = inputOf(signVersion.params, req.params);
      const envelope = inputOf(signVersion.body, req.body);
      const { tenantId, keyId: requestedBy } = principalOf(res);
      signing.count(requestedBy);
      const { versionId, contentHash } = await findVersion(extension, number);
      await signatures.checkSignable(tenantId, versionId);
      const kind = 'sign-version';
      const id = `${versionId}:${createHash('sha256').update(canonicalJson(envelope)).digest('hex')}`;
      const input = { tenantId, versionId, contentHash, envelope, requestedBy };
      const isJudged = await orUnknown(workflows.changeTrust({ kind, id, input }));
      const url = `/api/v1/extensions/${extension}/versions/${number}`;
      const version = isJudged ? await onceBegun(findVersion(extension, number)) : undefined;
      if (version) {
        answer(res.location(url), signVersion, 201, versionBody(version));
        return;
      }
      const workflowId = trustWorkflowId(kind, id);
      answer(res.location(url), signVersion, 202, { versionId, status: 'judging', url, workflowId });
    },
  );

  async function findVersion(ref: string, number: string): Promise<ExtensionVersion> {
    const { extensionId } = await findExtension(ref);
    const version = isExactVersion(number) ? await registry.findVersion(extensionId, number) : undefined;
    if (!version) throw new PlatformError('NOT_FOUND', 'there is no such version');
    return version;
  }

  async function findExtension(ref: string): Promise<Extension> {
    const extension = isExtensionRef(ref) ? await registry.findExtension(ref) : undefined;
    if (!extension) throw new PlatformError('NOT_FOUND', 'there is no such extension');
    return extension;
  }

  return router;
}

function versionBody(
  version: ExtensionVersion,
): ExtensionVersion & { permissions: ReturnType<typeof permissionsOf> } {
  return { ...version, permissions: permissionsOf(version.manifest) };
}

function isRevoked({ status }: ExtensionVersion): boolean {
  return status === 'revoked';
}
