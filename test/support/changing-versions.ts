import { randomUUID } from 'node:crypto';
import { expect } from '@jest/globals';
import type { VersionChangeKind } from '../../core/progress.ts';
import { createHydrationStore, type HydratedInstall } from '../../platform/db/hydration.ts';
import { createInstallDraftStore, type InstallDraft } from '../../platform/db/install-drafts.ts';
import { createInstallOperationStore } from '../../platform/db/install-operations.ts';
import { createInstallStore, type Install } from '../../platform/db/installs.ts';
import { createVersionChangeStore, type VersionChangeStore } from '../../platform/db/version-changes.ts';
import { createTestDatabase, type TestDatabase } from './database.ts';
import { openInput, seedTenant, seedVersion } from './seed.ts';

export const NUMBERS = ['1.0.0', '1.1.0', '1.2.0', '1.3.0', '1.4.0'];
export const GREETING = { greeting: { type: 'string', default: 'Hello' }, old: { type: 'string' } };

export interface Changing {
  db: TestDatabase['db'];
  changes: VersionChangeStore;
  tenantId: string;
  installId: string;
  extensionId: string;
  /** An install at 1.0.0 with a config, a grant and a secret; later versions have no setting `old`, and want `secrets.get`. */
  renew(): Promise<void>;
  /** The id of a version. */
  idOf(version: string): string;
  /** Publishes another version. */
  publish(version: string, fields: Record<string, unknown>): Promise<{ contentHash: string }>;
  draft(content: Partial<InstallDraft>): Promise<string>;
  open(version: string, runId: string, kind?: VersionChangeKind): Promise<void>;
  /** Answers the draft. */
  stage(runId: string, content?: Partial<InstallDraft>): Promise<string>;
  switchTo(runId: string): Promise<void>;
  finish(runId: string): Promise<void>;
  /** All of these. */
  upgrade(version: string, content?: Partial<InstallDraft>): Promise<void>;
  rollBack(version: string): Promise<void>;
  find(): Promise<Install>;
  /** What calls are served with. */
  serves(): Promise<HydratedInstall | undefined>;
  /** How many rows of a table the install has. */
  left(table: string): Promise<number>;
  drop(): Promise<void>;
}

/** Changes of versions by the real store, as an operation's activities make them. */
export async function startChanging(name: string): Promise<Changing> {
  const database = await createTestDatabase(name);
  const { db } = database;
  const changes = createVersionChangeStore(db);
  let versions: Record<string, string> = {};
  const on: Changing = {
    db,
    changes,
    tenantId: '',
    installId: '',
    extensionId: '',
    async renew() {
      on.tenantId = await seedTenant(db);
      versions = {};
      for (const version of NUMBERS) {
        const isFirst = version === '1.0.0';
        await on.publish(version, {
          capabilities: isFirst ? ['storage.kv'] : ['storage.kv', 'secrets.get'],
          settings: { type: 'object', properties: isFirst ? GREETING : { greeting: GREETING.greeting } },
          secrets: [{ name: 'TOKEN' }],
        });
      }
      on.installId = randomUUID();
      const { tenantId, installId, extensionId } = on;
      const versionId = on.idOf('1.0.0');
      const operations = createInstallOperationStore(db);
      await operations.open(tenantId, openInput({ installId, extensionId, versionId }));
      await operations.grant(tenantId, installId, [{ capability: 'storage.kv', scope: {} }], 'admin');
      const draftId = await on.draft({
        kind: 'install',
        versionId,
        config: { greeting: 'Hi', old: 'kept' },
        secrets: { TOKEN: { sealed: 'first', keyId: 'k' } },
      });
      await operations.applyDraft(tenantId, installId, draftId);
      await operations.activate(tenantId, installId, versionId, []);
    },
    idOf: (version) => versions[version] ?? '',
    async publish(version, fields) {
      const seeded = await seedVersion(db, on.tenantId, { publisher: on.tenantId, version, ...fields });
      versions[version] = seeded.versionId;
      on.extensionId = seeded.extensionId;
      return seeded;
    },
    async draft(content) {
      const draftId = randomUUID();
      const ids = { draftId, installId: on.installId, versionId: on.idOf('1.1.0') };
      const kind = { kind: 'upgrade', digest: draftId, replaceSecrets: false, reset: false } as const;
      const expiresAt = new Date(Date.now() + 60_000);
      await createInstallDraftStore(db).create(on.tenantId, { ...ids, ...kind, expiresAt, ...content });
      return draftId;
    },
    open(version, runId, kind = 'upgrade') {
      const operation = { kind, runId, workflowId: 'install:test', startedAt: '' };
      const opening = { kind, versionId: on.idOf(version), digest: 'digest', operation, steps: [] };
      return changes.open(on.tenantId, on.installId, opening);
    },
    async stage(runId, content = {}) {
      const draftId = await on.draft(content);
      const staging = { runId, draftId, consent: 'all', grantedBy: 'admin' } as const;
      expect(await changes.stage(on.tenantId, on.installId, staging)).toEqual({ needed: [] });
      return draftId;
    },
    switchTo: (runId) => changes.switch(on.tenantId, on.installId, { runId, steps: [] }),
    finish: (runId) => changes.finish(on.tenantId, on.installId, { runId, steps: [] }),
    async upgrade(version, content = {}) {
      await on.open(version, version);
      await on.stage(version, { versionId: on.idOf(version), ...content });
      await on.switchTo(version);
      await on.finish(version);
    },
    async rollBack(version) {
      await on.open(version, `back to ${version}`, 'rollback');
      await on.switchTo(`back to ${version}`);
      await on.finish(`back to ${version}`);
    },
    async find() {
      const found = await createInstallStore(db).find(on.tenantId, on.installId);
      if (!found) throw new Error('there is no install');
      return found;
    },
    serves: () => createHydrationStore(db).byInstall(on.tenantId, on.installId),
    left: async (table) =>
      (await db(table).where({ tenant_id: on.tenantId, install_id: on.installId })).length,
    drop: () => database.drop(),
  };
  return on;
}
