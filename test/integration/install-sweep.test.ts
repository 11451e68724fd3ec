import { randomUUID } from 'node:crypto';
import { MockActivityEnvironment } from '@temporalio/testing';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { createInstallActivities } from '../../activities/installs.ts';
import { consentWorkflowId, installWorkflowId } from '../../core/ids.ts';
import { INSTALL_STEPS, pendingSteps } from '../../core/progress.ts';
import { createInstallDraftStore } from '../../platform/db/install-drafts.ts';
import { createInstallLifecycleStore } from '../../platform/db/install-lifecycle.ts';
import { createInstallOperationStore } from '../../platform/db/install-operations.ts';
import { createInstallStore } from '../../platform/db/installs.ts';
import { createRegistryStore } from '../../platform/db/registry.ts';
import { openInput, seedTenant, seedVersion } from '../support/seed.ts';
import { ago, createSweeper, HOUR_MS, type Sweeper } from '../support/sweeper.ts';
import { versionTrustOf } from '../support/version-trust.ts';

let sweeper: Sweeper;
let tenantId: string;
beforeAll(async () => {
  sweeper = await createSweeper('install_sweep');
});
afterAll(() => sweeper.close());
beforeEach(async () => {
  tenantId = await seedTenant(sweeper.db);
  sweeper.afterLook = () => Promise.resolve();
});

describe('installs', () => {
  let version: { extensionId: string; versionId: string };
  let installId: string;
  beforeEach(async () => {
    version = await seedVersion(sweeper.db, tenantId, {
      publisher: tenantId,
      settings: { type: 'object', properties: { a: { type: 'number' } } },
      secrets: [{ name: 'TOKEN' }],
    });
    installId = randomUUID();
  });
  afterEach(() =>
    sweeper.db('tenant_extension_install').where({ status: 'installing' }).update({ updated_at: new Date() }),
  );

  const operations = () => createInstallOperationStore(sweeper.db);
  const find = () => createInstallStore(sweeper.db).find(tenantId, installId);
  const quiet = () =>
    sweeper
      .db('tenant_extension_install')
      .where({ install_id: installId })
      .update({ updated_at: ago(HOUR_MS) });
  const workflowId = () => installWorkflowId(tenantId, version.extensionId);
  const steps = () =>
    pendingSteps(INSTALL_STEPS).map((step, at) => ({
      ...step,
      status: at < 3 ? ('done' as const) : at === 3 ? ('running' as const) : step.status,
    }));

  /** As far as the warm-up, with all that the steps before it left. */
  async function begin(): Promise<void> {
    await operations().open(tenantId, openInput({ installId, ...version }));
    await operations().grant(tenantId, installId, [{ capability: 'storage.kv', scope: {} }], 'admin', {
      runId: 'run',
      steps: steps(),
    });
    const draftId = randomUUID();
    const draft = {
      draftId,
      installId,
      kind: 'install',
      digest: draftId,
      versionId: version.versionId,
    } as const;
    const content = { config: { a: 1 }, secrets: { TOKEN: { sealed: 's', keyId: 'k' } } };
    const expiresAt = new Date(Date.now() + HOUR_MS);
    const drafts = createInstallDraftStore(sweeper.db);
    await drafts.create(tenantId, { ...draft, ...content, replaceSecrets: true, reset: false, expiresAt });
    await operations().applyDraft(tenantId, installId, draftId);
    await drafts.create(tenantId, {
      ...draft,
      draftId: randomUUID(),
      replaceSecrets: true,
      reset: false,
      expiresAt,
    });
    await quiet();
  }
  const left = async () =>
    Promise.all(
      [
        'install_draft',
        'tenant_extension_grant',
        'tenant_extension_install_config',
        'tenant_extension_install_secrets',
      ].map(async (table) => (await sweeper.db(table).where({ tenant_id: tenantId })).length),
    );

  it('whose workflow an operator terminated fail and say so, leave nothing behind, and can be installed anew', async () => {
    await begin();
    expect(await left()).toEqual([1, 1, 1, 1]);
    const workflow = await sweeper.startWorkflow('installExtension', workflowId());
    expect(await sweeper.sweep('sweepInstalls')).toBe(0);
    await workflow.terminate('by hand');
    expect(await sweeper.sweepThrice('sweepInstalls')).toEqual([1, 1, 0]);
    const ended = await find();
    expect(ended).toMatchObject({
      status: 'failed',
      error: { code: 'OPERATION_LOST', message: expect.stringContaining('an operator terminated') },
    });
    expect(ended).not.toHaveProperty('operation');
    expect(ended?.steps.map(({ status }) => status)).toEqual([
      'undone',
      'undone',
      'undone',
      'failed',
      'pending',
      'pending',
    ]);
    expect(await left()).toEqual([0, 0, 0, 0]);
    await operations().open(tenantId, openInput({ installId: randomUUID(), ...version }));
  });

  it('that changed a moment ago are left alone', async () => {
    await operations().open(tenantId, openInput({ installId, ...version }));
    expect(await sweeper.sweep('sweepInstalls')).toBe(0);
  });

  it('that wait for consent are left alone while the wait or the operation that follows it runs', async () => {
    await operations().open(tenantId, openInput({ installId, ...version }));
    await operations().wait(tenantId, installId, version.versionId, {
      waitingFor: 'consent',
      runId: 'run',
      steps: steps(),
    });
    await quiet();
    const wait = await sweeper.startWorkflow('awaitConsent', consentWorkflowId(installId, version.versionId));
    expect(await sweeper.sweep('sweepInstalls')).toBe(0);
    const operation = await sweeper.startWorkflow('installExtension', workflowId());
    await wait.terminate();
    expect(await sweeper.sweep('sweepInstalls')).toBe(0);
    await operation.terminate();
    expect(await sweeper.sweep('sweepInstalls')).toBe(1);
    expect(await find()).toMatchObject({ status: 'failed', error: { code: 'OPERATION_LOST' } });
  });

  it('are left to an operation that takes them up while the sweep looks', async () => {
    await begin();
    const activities = createInstallActivities({
      operations: operations(),
      drafts: createInstallDraftStore(sweeper.db),
      registry: createRegistryStore(sweeper.db),
      versionTrust: versionTrustOf(sweeper.db),
    });
    const input = { tenantId, installId, ...version, digest: 'digest', steps: steps() };
    sweeper.afterLook = async () => {
      await new MockActivityEnvironment().run(() => activities.openInstall(input));
    };
    expect(await sweeper.sweep('sweepInstalls')).toBe(0);
    expect(await find()).toMatchObject({ status: 'installing' });
  });

  it('that are operated on while they are there stay what they are, and say that the operation is lost', async () => {
    await operations().open(tenantId, openInput({ installId, ...version }));
    await operations().activate(tenantId, installId, version.versionId, []);
    const lifecycle = createInstallLifecycleStore(sweeper.db);
    const owned = { kind: 'disable', workflowId: `disable:${installId}`, runId: 'r', startedAt: '' } as const;
    await lifecycle.stop(tenantId, installId, {
      operation: owned,
      from: ['active'],
      to: 'disabled',
      steps: [
        { name: 'disable', status: 'done', attempts: 1 },
        { name: 'cancel', status: 'running', attempts: 1 },
      ],
    });
    await quiet();
    const workflow = await sweeper.startWorkflow('disableInstall', owned.workflowId);
    expect(await sweeper.sweep('sweepInstalls')).toBe(0);
    await workflow.terminate();
    expect(await sweeper.sweepThrice('sweepInstalls')).toEqual([1, 1, 0]);
    const ended = await find();
    expect(ended).toMatchObject({ status: 'disabled', error: { code: 'OPERATION_LOST' } });
    expect(ended).not.toHaveProperty('operation');
    expect(ended?.steps.map(({ status }) => status)).toEqual(['done', 'failed']);
  });

  it('that are due to be purged and whose purge was lost have it begun anew', async () => {
    await operations().open(tenantId, openInput({ installId, ...version }));
    const lifecycle = createInstallLifecycleStore(sweeper.db);
    const owned = {
      kind: 'uninstall',
      workflowId: `uninstall:${installId}`,
      runId: 'r',
      startedAt: '',
    } as const;
    await lifecycle.stopForGood(tenantId, installId, { operation: owned, steps: [] });
    await lifecycle.uninstall(tenantId, installId, { runId: 'r', purgeNow: true, steps: [] });
    expect(await sweeper.sweep('sweepInstalls')).toBe(0);
    const overdue = { purge_at: ago(HOUR_MS) };
    await sweeper.db('tenant_extension_install').where({ install_id: installId }).update(overdue);
    expect(await sweeper.sweepThrice('sweepInstalls')).toEqual([1, 1, 0]);
  });

  it('are not ended while Temporal does not answer', async () => {
    await begin();
    sweeper.afterLook = () => Promise.reject(new Error('Temporal is away'));
    await expect(sweeper.sweep('sweepInstalls')).rejects.toThrow('away');
    expect(await find()).toMatchObject({ status: 'installing' });
  });
});
