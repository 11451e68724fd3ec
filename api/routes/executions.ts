import { Router } from 'express';
import { z } from 'zod';
import { PlatformError } from '../../core/errors.ts';
import type { ExecutionStore } from '../../platform/db/executions.ts';
import { isRequestId } from '../request-id.ts';
import { listBody, listQuery } from '../list-query.ts';
import { principalOf, requirePermission } from '../principal.ts';

const time = z.iso.datetime({ offset: true }).transform((text) => new Date(text));
const executionsQuery = listQuery.extend({
  installId: z.uuid().optional(),
  status: z.enum(['running', 'succeeded', 'failed']).optional(),
  since: time.optional(),
  until: time.optional(),
  minDurationMs: z.coerce.number().min(0).optional(),
  requestId: z.string().refine(isRequestId, 'is no request id').optional(),
});
const executionParams = z.strictObject({ executionId: z.uuid() });

export interface ExecutionsRouterDeps {
  executions: Pick<ExecutionStore, 'find' | 'list'>;
}

export function createExecutionsRouter({ executions }: ExecutionsRouterDeps): Router {
  const router = Router();
  router.use(requirePermission('extension:read'));

  router.get('/', async (req, res) => {
    const { limit, cursor, ...filter } = executionsQuery.parse(req.query);
    const page = await executions.list(principalOf(res).tenantId, filter, { limit, cursor });
    res.json(listBody(page, (execution) => execution));
  });

  router.get('/:executionId', async (req, res) => {
    const { executionId } = executionParams.parse(req.params);
    const execution = await executions.find(principalOf(res).tenantId, executionId);
    if (!execution) throw new PlatformError('NOT_FOUND', 'there is no such execution');
    res.json(execution);
  });
  return router;
}
