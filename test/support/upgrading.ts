import { randomUUID } from 'node:crypto';
import { expect } from '@jest/globals';
import type { WorkflowHandle } from '@temporalio/client';
import { PlatformError } from '../../core/errors.ts';
import { installWorkflowId } from '../../core/ids.ts';
import { createInstallDraftStore } from '../../platform/db/install-drafts.ts';
import type { Install } from '../../platform/db/installs.ts';
import type { InstallExtensionInput, OperateInstallInput } from '../../workflows/messages.ts';
import { beginVersion } from './begin-operation.ts';
import { cancelAt } from './cancel-at.ts';
import { startLifecycleEnvironment, type LifecycleEnvironment } from './lifecycle-environment.ts';
import { seedVersion } from './seed.ts';

const HEALTH = {
  health: '/health',
  api: { endpoints: [{ method: 'GET', path: '/health', handler: 'health', permission: 'extension:read' }] },
};
/** Manifests of versions that ask for nothing, for more, and for settings. */
export const SAME = { capabilities: [] };
export const MORE = { capabilities: ['storage.kv', { name: 'secrets.get', optional: true }] };
export const NEEDY = {
  settings: { type: 'object', properties: { url: { type: 'string' } }, required: ['url'] },
  secrets: [{ name: 'TOKEN', required: true }],
};

/** Activities of an upgrade that goes straight through, in order. */
export const UPGRADE = [
  'openChange',
  'stageUpgrade',
  'warmInstall',
  'probeInstall',
  'switchVersion',
  'verifyVersion',
  'finishChange',
];
export const ROLL_BACK = UPGRADE.filter((name) => name !== 'stageUpgrade');

export interface Upgrading {
  on: LifecycleEnvironment;
  /** An install that serves 1.0.0; the latest one. */
  install: OperateInstallInput & { versionId: string };
  /** Begins with another install. */
  renew(): Promise<void>;
  /** What the gateway prepares for an upgrade to a version that is published for it. */
  upgradeTo(
    version: string,
    fields?: Record<string, unknown>,
    asked?: Partial<InstallExtensionInput>,
  ): Promise<InstallExtensionInput>;
  upgrade(input: InstallExtensionInput): Promise<WorkflowHandle>;
  rollBack(): Promise<WorkflowHandle>;
  row(): Promise<Partial<Install>>;
  /** How many drafts, changes and kept versions it has. */
  left(): Promise<number[]>;
  /** Holds every attempt at an activity until it is let go. */
  hold(activity: string): { reached: Promise<undefined>; release: () => void };
  /** Cancels what runs while the activity is held, and answers once it has ended. */
  cancelAt(activity: string, begin: () => Promise<unknown>): Promise<void>;
  failAt(activity: string): void;
  /** The install is as it was before any upgrade, and nothing of one is left. */
  expectUntouched(): Promise<void>;
  stop(): Promise<void>;
}

/** Upgrades of installs, by the real workflows and activities; runners are scripted. */
export async function startUpgrading(name: string): Promise<Upgrading> {
  const on = await startLifecycleEnvironment(name);
  const upgrading: Upgrading = {
    on,
    install: await on.installed(),
    async renew() {
      on.reset();
      upgrading.install = await on.installed();
    },
    async upgradeTo(version, fields = SAME, asked = {}) {
      const { tenantId, installId, extensionId, extension } = upgrading.install;
      const manifest = { publisher: tenantId, version, ...HEALTH, ...fields };
      const { versionId, contentHash } = await seedVersion(on.db, tenantId, manifest);
      const digest = randomUUID();
      const draftId = randomUUID();
      await createInstallDraftStore(on.db).create(tenantId, {
        ...{ draftId, installId, versionId, digest, kind: 'upgrade', replaceSecrets: false, reset: false },
        expiresAt: new Date(Date.now() + 60_000),
      });
      const ids = {
        tenantId,
        installId,
        extensionId,
        extension,
        versionId,
        contentHash,
        version,
        draftId,
        digest,
      };
      return { ...ids, consent: [], requestedBy: 'key:admin', ...asked };
    },
    upgrade: (input) => beginVersion(on.client, 'upgrade', input),
    rollBack() {
      const to = { version: '1.0.0', contentHash: 'sha256:x', digest: 'rollback' };
      return beginVersion(on.client, 'rollback', { ...upgrading.install, ...to });
    },
    row: async () => (await on.find(upgrading.install)) ?? {},
    left: () =>
      Promise.all(
        ['install_draft', 'tenant_extension_install_change', 'tenant_extension_install_previous'].map(
          async (table) => (await on.db(table).where({ install_id: upgrading.install.installId })).length,
        ),
      ),
    hold(activity) {
      const reached = Promise.withResolvers<undefined>();
      const released = Promise.withResolvers<undefined>();
      on.before = async (called) => {
        if (called !== activity) return;
        reached.resolve(undefined);
        await released.promise;
      };
      return { reached: reached.promise, release: () => released.resolve(undefined) };
    },
    cancelAt(activity, begin) {
      const { tenantId, extensionId } = upgrading.install;
      const workflow = () => on.client.workflow.getHandle(installWorkflowId(tenantId, extensionId));
      return cancelAt(on, activity, workflow, begin);
    },
    failAt(activity) {
      on.before = (called) => {
        if (called === activity) throw new PlatformError('HEALTH_CHECK_FAILED', 'answered 500');
      };
    },
    async expectUntouched() {
      const found = await upgrading.row();
      expect(found).toMatchObject({ version: '1.0.0', status: 'active', previousVersions: [] });
      expect(found).not.toHaveProperty('operation');
      expect(found).not.toHaveProperty('pending');
      expect(await upgrading.left()).toEqual([0, 0, 0]);
    },
    stop: () => on.stop(),
  };
  return upgrading;
}
