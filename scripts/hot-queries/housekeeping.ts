import type { Knex } from 'knex';
import { createApiKeySweepStore } from '../../platform/db/api-key-sweep.ts';
import { createDraftSweepStore } from '../../platform/db/draft-sweep.ts';
import { createExecutionSweepStore } from '../../platform/db/execution-sweep.ts';
import { createInstallSweepStore } from '../../platform/db/install-sweep.ts';
import { createStorageSweepStore } from '../../platform/db/storage-sweep.ts';
import { createUploadSweepStore } from '../../platform/db/upload-sweep.ts';
import { createVersionSweepStore } from '../../platform/db/version-sweep.ts';
import { HOUR_MS, idOf, usual, type HotQuery } from './hot-query.ts';

/** Of rows that are quiet, of which there are none. */
const NONE = 0;
/** A minute of the log at 10⁷ executions in ten days, and what blocks hold beside it. */
const MINUTE = 1_500;

const minute = (): { from: string; to: string } => {
  const from = Date.now() - 50 * HOUR_MS;
  return { from: new Date(from).toISOString(), to: new Date(from + 60_000).toISOString() };
};
const reason = { code: 'OPERATION_LOST', message: 'explained' } as const;

export function housekeepingQueries(): HotQuery[] {
  const quietPublish = {
    tenantId: usual.tenantId,
    uploadId: idOf('upload-3'),
    steps: [],
    updatedAt: '2026-01-01 00:00:00+00',
  };
  return [
    {
      name: 'sweep of executions: what to look at',
      rows: 1,
      run: (db) => createExecutionSweepStore(db).slices(HOUR_MS),
    },
    {
      name: 'sweep of executions: one minute, dry',
      rows: MINUTE,
      run: (db) => createExecutionSweepStore(db).count(minute()),
    },
    {
      name: 'sweep of executions: one minute',
      rows: MINUTE,
      run: (db) => createExecutionSweepStore(db).interrupt(minute()),
    },
    {
      name: 'sweep of executions: mark',
      rows: 1,
      run: (db) => createExecutionSweepStore(db).markDone(minute()),
    },
    { name: 'sweep of drafts, dry', rows: NONE, run: (db) => createDraftSweepStore(db).count() },
    { name: 'sweep of drafts', rows: NONE, run: (db) => createDraftSweepStore(db).clear() },
    {
      name: 'sweep of uploads, dry',
      rows: NONE,
      run: (db) => createUploadSweepStore(db).countUnfinalized(),
    },
    {
      name: 'sweep of uploads',
      rows: NONE,
      run: (db) => createUploadSweepStore(db).endUnfinalized(reason),
    },
    {
      name: 'sweep of uploads: those that ended, dry',
      rows: NONE,
      run: (db) => createUploadSweepStore(db).countEnded(),
    },
    {
      name: 'sweep of uploads: those that ended',
      rows: NONE,
      run: (db) => createUploadSweepStore(db).removeEnded(),
    },
    { name: 'sweep of API keys, dry', rows: NONE, run: (db) => createApiKeySweepStore(db).count() },
    { name: 'sweep of API keys', rows: NONE, run: (db) => createApiKeySweepStore(db).remove() },
    {
      name: 'sweep of publishes: a page',
      rows: NONE,
      run: (db) => createUploadSweepStore(db).listQuiet(HOUR_MS, quietPublish),
    },
    {
      name: 'sweep of publishes: end one',
      rows: 2,
      run: (db) =>
        createUploadSweepStore(db).endQuiet(
          quietPublish,
          { published: { steps: [] }, failed: { steps: [] } },
          reason,
        ),
    },
    {
      name: 'sweep of objects: which uploads are open',
      rows: 500,
      run: (db) =>
        createUploadSweepStore(db).stillOpen(
          Array.from({ length: 500 }, (_none, t) => ({
            tenantId: idOf(`tenant-${t}`),
            uploadId: idOf(`upload-${t}`),
          })),
        ),
    },
    {
      name: 'sweep of installs: a page',
      rows: NONE,
      run: (db) => createInstallSweepStore(db).listQuiet(HOUR_MS, quietInstall()),
    },
    { name: 'sweep of installs: end one', rows: 8, run: endInstall },
    { name: 'sweep of installs: end an operation', rows: 2, run: endOperation },
    { name: 'sweep of installs: end a wait', rows: 2, run: endWait },
    { name: 'sweep of versions, dry', rows: NONE, run: (db) => createVersionSweepStore(db).count() },
    { name: 'sweep of records, dry', rows: NONE, run: (db) => createStorageSweepStore(db).count() },
    { name: 'sweep of records', rows: NONE, run: (db) => createStorageSweepStore(db).remove() },
    { name: 'sweep of versions', rows: NONE, run: (db) => createVersionSweepStore(db).clear() },
  ];
}

const quietInstall = () => ({
  ...usual,
  extensionId: idOf('extension-0'),
  versionId: idOf('version-0-3'),
  status: 'installing' as const,
  waitingFor: null,
  operation: null,
  steps: [],
  updatedAt: '2026-01-01 00:00:00+00',
});

async function endInstall(db: Knex): Promise<void> {
  const install = quietInstall();
  const own = { tenant_id: install.tenantId, install_id: install.installId };
  await db('tenant_extension_install').where(own).update({
    status: 'installing',
    pending_version_id: install.versionId,
    active_version_id: null,
    updated_at: install.updatedAt,
  });
  await createInstallSweepStore(db).endQuiet(install, { steps: [], error: reason });
}

async function endOperation(db: Knex): Promise<void> {
  const install = quietInstall();
  const own = { tenant_id: install.tenantId, install_id: install.installId };
  await db('tenant_extension_install').where(own).update({ operation: '{}', updated_at: install.updatedAt });
  await createInstallSweepStore(db).endQuietOperation(install, { steps: [], error: reason });
}

async function endWait(db: Knex): Promise<void> {
  const install = quietInstall();
  const own = { tenant_id: install.tenantId, install_id: install.installId };
  await db('tenant_extension_install').where(own).update({
    waiting_for: 'consent',
    pending_version_id: install.versionId,
    updated_at: install.updatedAt,
  });
  await createInstallSweepStore(db).endQuietWait(install, { steps: [], error: reason });
}
