import { createHash, randomUUIDv7 } from 'node:crypto';
import type { Knex } from 'knex';
import { createExecutionStore } from '../../platform/db/executions.ts';
import type { Page, PageRequest } from '../../platform/db/page.ts';

/** A call of a store on what fill-database.ts made. */
export interface HotQuery {
  name: string;
  /** How many rows its answer, or its change, is made of at most. What it reads beyond them it reads for nothing. */
  rows: number;
  /** What would mend that it reads more. */
  owes?: string;
  /** Whatever it changes is undone afterwards. */
  run: (db: Knex) => Promise<unknown>;
}

/** The md5 of a name as a UUID, as fill-database.ts numbers its rows. */
export const idOf = (name: string): string =>
  createHash('md5')
    .update(name)
    .digest('hex')
    .replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');

/** The content hash of a bundle that it made. */
export const hashOf = (bundle: string): string =>
  `sha256:${createHash('sha256').update(bundle).digest('hex')}`;

/** Tenant 0 has the most of everything, tenant 3 an ordinary share. Both have extension 0, as all tenants do. */
export const busy = { tenantId: idOf('tenant-0'), installId: idOf('install-0-0') };
export const usual = { tenantId: idOf('tenant-3'), installId: idOf('install-3-0') };
export const everywhere = { extensionId: idOf('extension-0'), versionId: idOf('version-0-3') };
export const nobody = idOf('nobody');
export const HOUR_MS = 60 * 60 * 1000;

/** An execution in flight of an install that has the version of `everywhere`; answers its id. */
export async function beginExecution(
  db: Knex,
  { tenantId, installId }: { tenantId: string; installId: string },
): Promise<string> {
  const executionId = randomUUIDv7();
  await createExecutionStore(db).begin(tenantId, {
    executionId,
    installId,
    extensionId: everywhere.extensionId,
    versionId: everywhere.versionId,
    contentHash: hashOf('bundle-0-3'),
    requestId: 'explained',
    trigger: 'http',
    method: 'GET',
    path: '/notes',
    principal: 'explain',
    requestBytes: 0,
  });
  return executionId;
}

export const limit = 50;
/** Of a page, with the one that tells whether there is another. */
export const PAGE = limit + 1;

/** The first page of a list, and one further on. */
export function pages(
  name: string,
  rowsPerItem: number,
  list: (db: Knex, page: PageRequest) => Promise<Page<unknown>>,
): HotQuery[] {
  const rows = PAGE * rowsPerItem;
  let cursor: string | null | undefined;
  return [
    { name: `${name}, first page`, rows, run: (db) => list(db, { limit }) },
    {
      name: `${name}, later page`,
      rows,
      async run(db) {
        if (cursor === undefined) cursor = (await list(db, { limit: 200 })).nextCursor;
        return list(db, { limit, ...(cursor !== null && { cursor }) });
      },
    },
  ];
}
