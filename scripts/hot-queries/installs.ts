import { randomUUID } from 'node:crypto';
import type { Knex } from 'knex';
import { createHydrationStore } from '../../platform/db/hydration.ts';
import { createInstallDraftStore } from '../../platform/db/install-drafts.ts';
import { createInstallLifecycleStore } from '../../platform/db/install-lifecycle.ts';
import { createInstallOperationStore } from '../../platform/db/install-operations.ts';
import { createPurgeStore } from '../../platform/db/purge.ts';
import { createStorageExportStore } from '../../platform/db/storage-export.ts';
import { createInstallStore } from '../../platform/db/installs.ts';
import { createVersionChangeStore } from '../../platform/db/version-changes.ts';
import { busy, everywhere, hashOf, HOUR_MS, idOf, pages, usual, type HotQuery } from './hot-query.ts';

/** Nobody has it installed. */
const unwanted = { extensionId: idOf('extension--1'), versionId: idOf('version--1-0') };
const steps = [{ name: 'open' as const, status: 'done' as const, attempts: 1 }];
const operation = {
  kind: 'install' as const,
  workflowId: 'install:explain',
  runId: 'explain',
  startedAt: '2026-01-01T00:00:00.000Z',
};

const shown = { runId: operation.runId, steps };

const versionChanges = createVersionChangeStore;

/** A version that tenant 3 neither serves nor keeps, put in the place of the one that it has. */
async function upgrade(db: Knex, end: 'undone' | 'declined' | 'then back'): Promise<void> {
  const { tenantId, installId } = usual;
  const changes = versionChanges(db);
  const runId = 'explain';
  const versionId = idOf('version-0-200');
  const draft = { draftId: randomUUID(), installId, versionId, kind: 'upgrade', digest: 'upgrade' } as const;
  const expiresAt = new Date(Date.now() + HOUR_MS);
  const content = { config: {}, replaceSecrets: false, reset: false, expiresAt };
  const drafts = createInstallDraftStore(db);
  await drafts.create(tenantId, { ...draft, ...content });
  const owned = { ...operation, kind: 'upgrade' as const, runId };
  const opening = { kind: 'upgrade', versionId, digest: 'upgrade', operation: owned, steps } as const;
  await changes.open(tenantId, installId, opening);
  await changes.upgradable(tenantId, installId);
  const { draftId } = draft;
  if (end === 'declined') {
    await changes.wait(tenantId, installId, { runId, versionId, waitingFor: 'settings', steps });
    await drafts.findHeld(tenantId, installId);
    await drafts.amend(tenantId, installId, { versionId, config: {} });
    await changes.withdraw(tenantId, installId, { versionId, digest: 'upgrade', draftId, steps });
    return;
  }
  await changes.stage(tenantId, installId, { runId, draftId, consent: 'all', grantedBy: 'explain' });
  await changes.switch(tenantId, installId, { runId, steps });
  if (end === 'undone') {
    await changes.switchBack(tenantId, installId, runId);
    await changes.close(tenantId, installId, { runId, draftId });
    await changes.undoLeft(tenantId, installId, runId);
    return;
  }
  await changes.finish(tenantId, installId, { runId, steps, draftId });
  const back = { ...opening, kind: 'rollback', versionId: idOf('version-0-3') } as const;
  await changes.open(tenantId, installId, back);
  await changes.switch(tenantId, installId, { runId, steps });
  await changes.finish(tenantId, installId, { runId, steps });
}

/** One row each of install, version, extension, config and tenant, three endpoints, two grants, a secret. */
const HYDRATION = 11;

export function installQueries(): HotQuery[] {
  const operations = createInstallOperationStore;
  const open = async (db: Knex, installId: string): Promise<void> => {
    await operations(db).open(usual.tenantId, {
      installId,
      extensionId: unwanted.extensionId,
      versionId: unwanted.versionId,
      digest: 'digest',
      operation,
      steps,
    });
  };
  return [
    {
      name: 'call: hydrate by extension id',
      rows: HYDRATION,
      run: (db) => createHydrationStore(db).byExtension(usual.tenantId, everywhere.extensionId),
    },
    {
      name: 'call: hydrate by extension name',
      rows: HYDRATION,
      run: (db) => createHydrationStore(db).byExtension(usual.tenantId, 'filler.extension-0'),
    },
    {
      name: 'worker: hydrate an install',
      rows: HYDRATION,
      run: (db) => createHydrationStore(db).byInstall(usual.tenantId, usual.installId),
    },
    {
      name: 'worker: hydrate a version of an install',
      rows: HYDRATION,
      run: (db) => createHydrationStore(db).byInstall(usual.tenantId, usual.installId, idOf('version-0-1')),
    },
    {
      name: 'UI that is served',
      rows: 2,
      run: (db) => createHydrationStore(db).servedUi(everywhere.extensionId, hashOf('bundle-0-0')),
    },
    {
      name: 'UI that is disabled everywhere',
      rows: 1,
      run: (db) => createHydrationStore(db).servedUi(everywhere.extensionId, hashOf('bundle-0-4')),
    },
    {
      name: 'UI that nobody published',
      rows: 0,
      run: (db) => createHydrationStore(db).servedUi(everywhere.extensionId, hashOf('nothing')),
    },
    {
      name: 'install: by id',
      rows: 13,
      run: (db) => createInstallStore(db).find(usual.tenantId, usual.installId),
    },
    {
      name: 'install: by extension',
      rows: 13,
      run: (db) => createInstallStore(db).findByExtension(usual.tenantId, everywhere.extensionId),
    },
    {
      name: 'install: names of its secrets',
      rows: 1,
      run: (db) => createInstallStore(db).secretNames(usual.tenantId, usual.installId),
    },
    ...pages('installs of a tenant', 12, (db, page) => createInstallStore(db).list(usual.tenantId, page)),
    {
      name: 'install: pause, resume, disable, enable',
      rows: 24,
      async run(db) {
        const { tenantId, installId } = usual;
        const lifecycle = createInstallLifecycleStore(db);
        const owned = { ...operation, kind: 'enable' as const };
        await lifecycle.turn(tenantId, installId, { from: 'active', to: 'paused', steps });
        await lifecycle.turn(tenantId, installId, { from: 'paused', to: 'active', steps });
        const stopping = { operation: owned, from: ['active' as const], to: 'disabled' as const, steps };
        await lifecycle.stop(tenantId, installId, stopping);
        await lifecycle.show(tenantId, installId, { runId: owned.runId, steps });
        await lifecycle.end(tenantId, installId, { runId: owned.runId, steps });
        const { versionId } = await lifecycle.open(tenantId, installId, {
          operation: owned,
          from: ['disabled'],
          steps,
        });
        await lifecycle.enable(tenantId, installId, { runId: owned.runId, versionId, steps });
      },
    },
    {
      name: 'install: narrow its grants',
      rows: 10,
      run: (db) =>
        operations(db).narrowGrants(usual.tenantId, usual.installId, {
          grants: [{ capability: 'storage.kv' }],
          grantedBy: 'explain',
        }),
    },
    {
      name: 'install: versions to go back to',
      rows: 4,
      run: (db) => versionChanges(db).kept(usual.tenantId, usual.installId),
    },
    { name: 'install: upgrade, undone', rows: 60, run: (db) => upgrade(db, 'undone') },
    { name: 'install: upgrade, declined', rows: 30, run: (db) => upgrade(db, 'declined') },
    { name: 'install: upgrade, then back', rows: 90, run: (db) => upgrade(db, 'then back') },
    {
      name: 'install: uninstall, restore, uninstall, purge',
      rows: 40,
      async run(db) {
        const { tenantId, installId } = usual;
        const lifecycle = createInstallLifecycleStore(db);
        const purges = createPurgeStore(db);
        const owned = { ...operation, kind: 'uninstall' as const };
        const { runId } = owned;
        await lifecycle.stopForGood(tenantId, installId, { operation: owned, steps });
        await lifecycle.uninstall(tenantId, installId, { runId, purgeNow: false, steps });
        await lifecycle.restore(tenantId, installId, { operation: owned, steps });
        await lifecycle.stopForGood(tenantId, installId, { operation: owned, steps });
        await lifecycle.uninstall(tenantId, installId, { runId, purgeNow: false, steps });
        await purges.find(tenantId, installId);
        await purges.hasten(tenantId, installId);
        await purges.begin(tenantId, installId);
        await purges.finish(tenantId, installId);
      },
    },
    {
      name: 'purge: some executions, some records',
      rows: 2_500,
      async run(db) {
        await createPurgeStore(db).removeExecutions(busy.tenantId, busy.installId);
        await createPurgeStore(db).removeRecords(busy.tenantId, busy.installId);
      },
    },
    {
      name: 'purges that are overdue',
      rows: 0,
      run: (db) => createPurgeStore(db).listOverdue(HOUR_MS, usual),
    },
    {
      name: 'export: a page of records',
      rows: 32,
      run: (db) =>
        createStorageExportStore(db).page(busy.tenantId, busy.installId, {
          namespace: 'notes',
          key: 'note-001000',
        }),
    },
    {
      name: 'install: open, wait, open again, with grants, settings and end',
      rows: 40,
      async run(db) {
        const installId = randomUUID();
        await open(db, installId);
        await operations(db).wait(usual.tenantId, installId, unwanted.versionId, {
          waitingFor: 'consent',
          ...shown,
        });
        await open(db, installId);
        await operations(db).grant(
          usual.tenantId,
          installId,
          [{ capability: 'storage.kv', scope: {} }],
          'explain',
          shown,
        );
        const draftId = randomUUID();
        await createInstallDraftStore(db).create(usual.tenantId, {
          draftId,
          installId,
          kind: 'install',
          digest: draftId,
          versionId: unwanted.versionId,
          config: {},
          replaceSecrets: false,
          reset: false,
          expiresAt: new Date(Date.now() + HOUR_MS),
        });
        await createInstallDraftStore(db).findByDigest(usual.tenantId, draftId);
        await createInstallDraftStore(db).findInstall(usual.tenantId, installId);
        await createInstallDraftStore(db).stampsOf(usual.tenantId, draftId);
        await operations(db).applyDraft(usual.tenantId, installId, draftId, shown);
        await operations(db).activate(usual.tenantId, installId, unwanted.versionId, steps);
        await operations(db).deactivate(usual.tenantId, installId);
        await operations(db).revokeGrants(usual.tenantId, installId);
        await operations(db).clearSettings(usual.tenantId, installId);
        await operations(db).end(usual.tenantId, installId, { status: 'declined', steps });
      },
    },
  ];
}
