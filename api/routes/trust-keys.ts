import { Router, type Request, type Response } from 'express';
import { addTrustKey, listTrustKeys, readTrustKey, revokeTrustKey } from '../../core/api/trust-keys.ts';
import { PlatformError } from '../../core/errors.ts';
import { trustWorkflowId } from '../../core/ids.ts';
import type { TrustKey } from '../../core/trust.ts';
import { NO_TENANT, type RowChanges } from '../../platform/db/row-changes.ts';
import { isJudged, type TrustOverview, type TrustStore } from '../../platform/db/trust.ts';
import { readTrustKey as readKey } from '../../platform/signatures/trust-bundle.ts';
import { answer } from '../answer.ts';
import { jsonBody } from '../json-body.ts';
import { onceBegun } from '../once-begun.ts';
import { orUnknown } from '../or-unknown.ts';
import { preferredWait, waitAsPreferred } from '../prefer-wait.ts';
import { principalOf, requirePermission } from '../principal.ts';
import { inputOf } from '../request-input.ts';
import type { WorkflowStarter } from '../workflow-starter.ts';

export interface TrustKeysRouterDeps {
  trust: Pick<TrustStore, 'overview'>;
  workflows: Pick<WorkflowStarter, 'changeTrust'>;
  changes: RowChanges;
}

/** Whose signatures over bundles count. */
export function createTrustKeysRouter({ trust, workflows, changes }: TrustKeysRouterDeps): Router {
  const router = Router();
  router.use(requirePermission('platform:operate'));

  router.get('/', async (_req, res) => {
    const overview = await trust.overview();
    const { policy, threshold, keys } = overview.trust;
    answer(res, listTrustKeys, 200, { items: [...keys], policy, threshold, judging: judgingOf(overview) });
  });

  router.get('/:keyId', async (req, res) => {
    const { keyId } = inputOf(readTrustKey.params, req.params);
    const overview = await trust.overview();
    answer(res, readTrustKey, 200, { ...keyOf(overview, keyId), judging: judgingOf(overview) });
  });

  router.post('/', jsonBody, async (req, res) => {
    const read = readKey(inputOf(addTrustKey.body, req.body));
    if ('issue' in read) {
      throw new PlatformError('INPUT_INVALID', 'the request has faults; see issues', {
        issues: [read.issue],
      });
    }
    const { key } = read;
    await change(req, res, 'trust-key', key);
  });

  router.post('/:keyId/revoke', jsonBody, async (req, res) => {
    const { keyId } = inputOf(revokeTrustKey.params, req.params);
    const { reason } = inputOf(revokeTrustKey.body, req.body);
    await change(req, res, 'revoke-key', { ...keyOf(await trust.overview(), keyId), reason });
  });

  async function change(
    req: Request,
    res: Response,
    kind: 'trust-key' | 'revoke-key',
    key: TrustKey,
  ): Promise<void> {
    const { keyId } = key;
    const input = { key, requestedBy: principalOf(res).keyId };
    await orUnknown(workflows.changeTrust({ kind, id: keyId, input }));
    const url = `/api/v1/trust-keys/${keyId}`;
    const watched = {
      tenantId: NO_TENANT,
      table: 'extension_trust',
      id: 'true',
      read: trust.overview,
    } as const;
    const isDone = (overview: TrustOverview): boolean => isJudged(overview) && has(overview, kind, keyId);
    const overview = await onceBegun(waitAsPreferred(changes, req, res, watched, isDone));
    if (overview && preferredWait(req) > 0 && isDone(overview)) {
      const body = { ...keyOf(overview, keyId), judging: judgingOf(overview) };
      if (kind === 'trust-key') answer(res.location(url), addTrustKey, 201, body);
      else answer(res.location(url), revokeTrustKey, 200, body);
      return;
    }
    const workflowId = trustWorkflowId(kind, keyId);
    const route = kind === 'trust-key' ? addTrustKey : revokeTrustKey;
    answer(res.location(url), route, 202, { keyId, status: 'judging', url, workflowId });
  }

  return router;
}

function keyOf({ trust }: TrustOverview, keyId: string): TrustKey {
  const key = trust.keys.find((one) => one.keyId === keyId);
  if (!key) throw new PlatformError('NOT_FOUND', 'there is no such key');
  return key;
}

/** Of a change that may not have come to pass, nobody is told that it did. */
function has({ trust }: TrustOverview, kind: 'trust-key' | 'revoke-key', keyId: string): boolean {
  const key = trust.keys.find((one) => one.keyId === keyId);
  return kind === 'trust-key' ? key !== undefined : key?.state === 'revoked';
}

function judgingOf({ left, lastPass }: TrustOverview): Pick<TrustOverview, 'left' | 'lastPass'> {
  return { left, ...(lastPass && { lastPass }) };
}
