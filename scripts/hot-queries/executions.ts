import { randomUUID } from 'node:crypto';
import type { Knex } from 'knex';
import { createExecutionStore, type ExecutionFilter } from '../../platform/db/executions.ts';
import type { Page, PageRequest } from '../../platform/db/page.ts';
import {
  beginExecution,
  busy,
  HOUR_MS,
  limit,
  nobody,
  PAGE,
  pages,
  usual,
  type HotQuery,
} from './hot-query.ts';

export function executionQueries(): HotQuery[] {
  const begin = (db: Knex): Promise<string> => beginExecution(db, usual);
  const end = (db: Knex, executionId: string): Promise<unknown> =>
    createExecutionStore(db).end(usual.tenantId, executionId, {
      status: 'succeeded',
      httpStatus: 200,
      durationMs: 1,
      responseBytes: 0,
    });
  const list =
    (tenantId: string, filter: ExecutionFilter) =>
    (db: Knex, page: PageRequest): Promise<Page<unknown>> =>
      createExecutionStore(db).list(tenantId, filter, page);
  return [
    {
      name: 'execution: begin and end',
      rows: 1,
      run: async (db) => end(db, await begin(db)),
    },
    {
      name: 'execution: by id',
      rows: 1,
      run: async (db) => createExecutionStore(db).find(usual.tenantId, await begin(db)),
    },
    {
      name: 'execution: by an id from before partitions that nobody has',
      rows: 0,
      run: (db) => createExecutionStore(db).find(busy.tenantId, randomUUID()),
    },
    {
      name: 'executions of an install that run',
      rows: 2,
      owes: 'it goes through all that the install began within the longest timeout, once or twice when the install is disabled',
      async run(db) {
        const executionId = await begin(db);
        // What fill-database.ts made may hold none of this install that are as young.
        for (let i = 0; i < 5; i++) await end(db, await begin(db));
        const since = new Date(Date.now() - HOUR_MS / 12);
        await createExecutionStore(db).listRunning(usual.tenantId, { installId: usual.installId, since });
        return createExecutionStore(db).anyRunning(usual.tenantId, [executionId]);
      },
    },
    ...pages('executions of a busy tenant', 1, list(busy.tenantId, {})),
    ...pages('executions of an install', 1, list(busy.tenantId, { installId: busy.installId })),
    ...pages('executions of a request', 1, list(busy.tenantId, { requestId: 'the-same-for-every-call' })),
    ...pages('executions that failed', 1, list(busy.tenantId, { status: 'failed' })),
    ...pages(
      'executions of an install that failed',
      1,
      list(busy.tenantId, { status: 'failed', installId: busy.installId }),
    ),
    {
      name: 'executions between two times',
      rows: PAGE,
      run: (db) =>
        list(busy.tenantId, {
          since: new Date(Date.now() - 100 * HOUR_MS),
          until: new Date(Date.now() - 90 * HOUR_MS),
        })(db, { limit }),
    },
    { name: 'executions of a tenant without any', rows: 0, run: (db) => list(nobody, {})(db, { limit }) },
    {
      name: 'executions of a request that nobody made',
      rows: 0,
      run: (db) => list(busy.tenantId, { requestId: 'nobody-made-this' })(db, { limit }),
    },
    {
      name: 'executions that run, of which there are none',
      rows: 1_000,
      run: (db) => list(busy.tenantId, { status: 'running' })(db, { limit }),
    },
    {
      name: 'executions that took long, of which there are none',
      rows: 1_000,
      run: (db) => list(busy.tenantId, { minDurationMs: 10_000 })(db, { limit }),
    },
  ];
}
