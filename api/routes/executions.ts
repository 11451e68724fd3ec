import { Router } from 'express';
import { listExecutions, readExecution } from '../../core/api/executions.ts';
import { PlatformError } from '../../core/errors.ts';
import type { ExecutionStore } from '../../platform/db/executions.ts';
import { answer } from '../answer.ts';
import { pageBody } from '../page-body.ts';
import { hasPermission, principalOf, requirePermission } from '../principal.ts';
import { inputOf } from '../request-input.ts';

export interface ExecutionsRouterDeps {
  executions: Pick<ExecutionStore, 'find' | 'list'>;
}

export function createExecutionsRouter({ executions }: ExecutionsRouterDeps): Router {
  const router = Router();
  router.use(requirePermission('extension:read'));

  router.get('/', async (req, res) => {
    const { limit, cursor, ...filter } = inputOf(listExecutions.query, req.query);
    const page = await executions.list(principalOf(res).tenantId, filter, { limit, cursor });
    answer(res, listExecutions, 200, pageBody(page));
  });

  router.get('/:executionId', async (req, res) => {
    const { executionId } = inputOf(readExecution.params, req.params);
    const execution = await executions.find(principalOf(res).tenantId, executionId);
    if (!execution) throw new PlatformError('NOT_FOUND', 'there is no such execution');
    const { exception, ...shown } = execution;
    // A guest's own words may hold what it knows.
    const mayDebug = hasPermission(principalOf(res), 'extension:debug');
    answer(res, readExecution, 200, { ...shown, ...(mayDebug && exception !== undefined && { exception }) });
  });
  return router;
}
