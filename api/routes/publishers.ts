import { Router } from 'express';
import { readPublisher, transferPublisher } from '../../core/api/publishers.ts';
import { PlatformError } from '../../core/errors.ts';
import { publisherSlug, trustWorkflowId } from '../../core/ids.ts';
import type { Publisher, PublisherStore } from '../../platform/db/publishers.ts';
import { NO_TENANT, type RowChanges } from '../../platform/db/row-changes.ts';
import type { TenantStore } from '../../platform/db/tenants.ts';
import { answer } from '../answer.ts';
import { jsonBody } from '../json-body.ts';
import { onceBegun } from '../once-begun.ts';
import { orUnknown } from '../or-unknown.ts';
import { preferredWait, waitAsPreferred } from '../prefer-wait.ts';
import { principalOf, requirePermission } from '../principal.ts';
import { inputOf } from '../request-input.ts';
import type { WorkflowStarter } from '../workflow-starter.ts';

export interface PublishersRouterDeps {
  publishers: Pick<PublisherStore, 'find'>;
  tenants: Pick<TenantStore, 'find'>;
  workflows: Pick<WorkflowStarter, 'changeTrust'>;
  changes: RowChanges;
}

/** Whose the names are that extensions are published under. */
export function createPublishersRouter(deps: PublishersRouterDeps): Router {
  const { publishers, tenants, workflows, changes } = deps;
  const router = Router();
  router.use(requirePermission('platform:operate'));

  router.get('/:publisher', async (req, res) => {
    const { publisher } = inputOf(readPublisher.params, req.params);
    answer(res, readPublisher, 200, await find(publisherSlug(publisher)));
  });

  router.post('/:publisher/transfer', jsonBody, async (req, res) => {
    const slug = publisherSlug(inputOf(transferPublisher.params, req.params).publisher);
    const { tenantId, reason } = inputOf(transferPublisher.body, req.body);
    await find(slug);
    if (!(await tenants.find(tenantId))) {
      throw new PlatformError('INPUT_INVALID', 'the request has faults; see issues', {
        issues: [
          { path: 'tenantId', code: 'unknown', message: 'is no tenant; GET /api/v1/tenants lists them' },
        ],
      });
    }
    const kind = 'transfer-publisher';
    const input = { slug, tenantId, reason, requestedBy: principalOf(res).keyId };
    await orUnknown(workflows.changeTrust({ kind, id: slug, input }));
    const read = (): Promise<Publisher> => find(slug);
    const watched = { tenantId: NO_TENANT, table: 'extension_publisher', id: slug, read } as const;
    const isDone = (publisher: Publisher): boolean => publisher.tenantId === tenantId;
    const publisher = await onceBegun(waitAsPreferred(changes, req, res, watched, isDone));
    const url = `/api/v1/publishers/${slug}`;
    if (publisher && preferredWait(req) > 0 && isDone(publisher)) {
      answer(res.location(url), transferPublisher, 200, publisher);
      return;
    }
    const workflowId = trustWorkflowId(kind, slug);
    const underWay = { publisher: slug, status: 'transferring', url, workflowId } as const;
    answer(res.location(url), transferPublisher, 202, underWay);
  });

  async function find(slug: string): Promise<Publisher> {
    const publisher = await publishers.find(slug);
    if (!publisher) throw new PlatformError('NOT_FOUND', 'there is no such publisher');
    return publisher;
  }

  return router;
}
