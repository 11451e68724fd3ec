import { randomUUID } from 'node:crypto';
import {
  pendingSteps,
  INSTALL_STEPS,
  OPERATION_STEPS,
  VERSION_STEPS,
  type FailureReason,
  type LifecycleKind,
  type Step,
} from '../../core/progress.ts';
import type { PlatformError } from '../../core/errors.ts';
import { installWorkflowId, precompileWorkflowId, trustWorkflowId } from '../../core/ids.ts';
import type { InstallLifecycleStore } from '../../platform/db/install-lifecycle.ts';
import type { InstallOperationStore } from '../../platform/db/install-operations.ts';
import type { PublisherStore } from '../../platform/db/publishers.ts';
import type { PurgeStore } from '../../platform/db/purge.ts';
import type { VersionChangeStore } from '../../platform/db/version-changes.ts';
import type { SignatureStore } from '../../platform/db/signatures.ts';
import { payloadDigest } from '../../platform/signatures/bundle-statement.ts';
import type { TrustStore } from '../../platform/db/trust.ts';
import type { VersionTrustStore } from '../../platform/db/version-trust.ts';
import type { UploadStore } from '../../platform/db/uploads.ts';
import type { TrustChange, WorkflowStarter } from '../../api/workflow-starter.ts';
import type {
  ConfigureInstallInput,
  ConsentDecision,
  InstallExtensionInput,
  InstallOpened,
  OperateInstallInput,
  NarrowGrantsInput,
  PurgeInstallInput,
  UninstallInstallInput,
  PrecompileInput,
  PublishBundleInput,
  RollbackInstallInput,
  SettingsDecision,
  UpgradeInstallInput,
} from '../../workflows/messages.ts';

interface Stores {
  uploads: UploadStore;
  operations: InstallOperationStore;
  lifecycle: InstallLifecycleStore;
  changes: VersionChangeStore;
  purges: PurgeStore;
  publishers: PublisherStore;
  trust: TrustStore;
  versions: VersionTrustStore;
  signatures: SignatureStore;
}

/** Does to the rows what the workflows would, at once, and keeps what it was asked. */
export class FakeWorkflowStarter implements WorkflowStarter {
  readonly publishes: PublishBundleInput[] = [];
  readonly finalized: PublishBundleInput[] = [];
  readonly precompiles: (PrecompileInput & { tenantId: string })[] = [];
  readonly installs: InstallExtensionInput[] = [];
  readonly configures: ConfigureInstallInput[] = [];
  readonly decisions: ConsentDecision[] = [];
  readonly settingsDecisions: SettingsDecision[] = [];
  readonly upgrades: UpgradeInstallInput[] = [];
  readonly rollbacks: RollbackInstallInput[] = [];
  /** How an upgrade or a roll-back goes: to its end, not yet, to a wait, or in vain. */
  changeEnd: 'done' | 'running' | 'consent' | FailureReason = 'done';
  readonly operated: (OperateInstallInput & { kind: LifecycleKind })[] = [];
  /** How an install is enabled: to its end, not yet, or in vain. */
  enableEnd: 'active' | 'running' | FailureReason = 'active';
  /** Thrown by whatever is asked, until it is taken away. */
  fails: PlatformError | undefined;
  /** Each thrown once, by what is asked next. */
  readonly failsOnce: PlatformError[] = [];
  /** Each thrown once, after what was asked has been done. */
  readonly answersLost: PlatformError[] = [];
  /** Called once something has begun. */
  begun: () => void | Promise<void> = () => undefined;
  /** How publishes end; undefined: they stay in `verifying`. */
  publishEnd:
    { status: 'published'; versionId: string } | { status: 'rejected'; error: FailureReason } | undefined;
  installEnd:
    { status: 'active' | 'installing' | 'awaiting-consent' } | { status: 'failed'; error: FailureReason } = {
    status: 'active',
  };
  readonly #stores: Stores;

  constructor(stores: Stores) {
    this.#stores = stores;
  }

  beginPublish(input: PublishBundleInput): Promise<void> {
    this.#throwIfAsked();
    this.publishes.push(input);
    return Promise.resolve();
  }

  async abortPublish({ tenantId, uploadId }: PublishBundleInput): Promise<void> {
    this.#throwIfAsked();
    await this.#stores.uploads.abort(tenantId, uploadId);
  }

  async finalizePublish(input: PublishBundleInput): Promise<{ status: 'verifying' }> {
    this.#throwIfAsked();
    this.finalized.push(input);
    const { tenantId, uploadId } = input;
    await this.#stores.uploads.open(tenantId, uploadId);
    const end = this.publishEnd;
    if (end) await this.#stores.uploads.end(tenantId, uploadId, { steps: [], checks: CHECKS, ...end });
    return { status: 'verifying' };
  }

  startPrecompile(input: PrecompileInput, tenantId: string): Promise<{ workflowId: string }> {
    this.#throwIfAsked();
    this.precompiles.push({ ...input, tenantId });
    return Promise.resolve({ workflowId: precompileWorkflowId(input.contentHash, input.target) });
  }

  async changeTrust(change: TrustChange): Promise<{ workflowId: string }> {
    this.#throwIfAsked();
    const { trust, versions, publishers, signatures } = this.#stores;
    if (change.kind === 'revoke-version')
      await versions.revoke(change.id, { code: 'VERSION_REVOKED', message: change.input.reason });
    else if (change.kind === 'transfer-publisher') await publishers.transfer(change.input);
    else if (change.kind === 'sign-version') {
      const { tenantId, versionId, envelope } = change.input;
      await signatures.add(tenantId, versionId, payloadDigest(envelope));
    } else if (change.kind === 'trust-key') await trust.add(change.input.key, change.input.requestedBy);
    else await trust.revoke(change.input.key, change.input.requestedBy);
    return { workflowId: trustWorkflowId(change.kind, change.id) };
  }

  async startInstall(input: InstallExtensionInput): Promise<InstallOpened> {
    this.#throwIfAsked();
    this.installs.push(input);
    const { tenantId, installId, extensionId, versionId, draftId, digest } = input;
    const steps = pendingSteps(INSTALL_STEPS);
    const { operations } = this.#stores;
    const workflowId = installWorkflowId(tenantId, extensionId);
    const runId = randomUUID();
    const operation = { kind: 'install', workflowId, runId, startedAt: new Date().toISOString() } as const;
    await operations.open(tenantId, { installId, extensionId, versionId, digest, operation, steps });
    await this.begun();
    if (this.installEnd.status === 'awaiting-consent') {
      await operations.wait(tenantId, installId, versionId, { waitingFor: 'consent', runId, steps });
      return { installId, draftId };
    }
    const { needed } = await operations.applyDraft(tenantId, installId, draftId);
    if (needed) {
      await operations.wait(tenantId, installId, versionId, { waitingFor: 'settings', runId, steps });
      return { installId, draftId };
    }
    if (this.installEnd.status === 'active') await operations.activate(tenantId, installId, versionId, steps);
    if (this.installEnd.status === 'failed') {
      await operations.end(tenantId, installId, { steps, ...this.installEnd });
    }
    return { installId, draftId };
  }

  async configureInstall(
    input: ConfigureInstallInput,
  ): Promise<{ configVersion: number; secretsVersion: number }> {
    this.#throwIfAsked();
    this.configures.push(input);
    const stamps = await this.#stores.operations.applyDraft(input.tenantId, input.installId, input.draftId);
    await this.begun();
    const lost = this.answersLost.shift();
    if (lost) throw lost;
    return stamps;
  }

  async operateInstall(kind: LifecycleKind, input: UninstallInstallInput): Promise<InstallOpened> {
    this.#throwIfAsked();
    this.operated.push({ ...input, kind });
    const { tenantId, installId } = input;
    const { lifecycle } = this.#stores;
    const runId = randomUUID();
    const operation = { kind, workflowId: kind, runId, startedAt: new Date().toISOString() };
    const steps = pendingSteps(OPERATION_STEPS[kind]);
    if (kind === 'pause') await lifecycle.turn(tenantId, installId, { from: 'active', to: 'paused', steps });
    if (kind === 'resume') await lifecycle.turn(tenantId, installId, { from: 'paused', to: 'active', steps });
    if (kind === 'disable') {
      const from = ['active', 'paused', 'disabled'] as const;
      await lifecycle.stop(tenantId, installId, { operation, from, to: 'disabled', steps });
      await lifecycle.end(tenantId, installId, { runId, steps });
    }
    if (kind === 'enable') {
      const { versionId } = await lifecycle.open(tenantId, installId, {
        operation,
        from: ['disabled'],
        steps,
      });
      if (this.enableEnd === 'active')
        await lifecycle.enable(tenantId, installId, { runId, versionId, steps });
      else if (this.enableEnd !== 'running') {
        await lifecycle.end(tenantId, installId, { runId, steps, error: this.enableEnd });
      }
    }
    if (kind === 'uninstall') {
      await lifecycle.stopForGood(tenantId, installId, { operation, steps });
      await lifecycle.uninstall(tenantId, installId, { runId, purgeNow: input.purgeNow ?? false, steps });
    }
    if (kind === 'restore') {
      const { versionId, to } = await lifecycle.restore(tenantId, installId, { operation, steps });
      if (to === 'active' || to === 'paused')
        await lifecycle.enable(tenantId, installId, { runId, versionId, to, steps });
      else await lifecycle.end(tenantId, installId, { runId, steps });
    }
    await this.begun();
    return { installId };
  }

  async startUpgrade(input: UpgradeInstallInput): Promise<InstallOpened> {
    this.#throwIfAsked();
    this.upgrades.push(input);
    const { tenantId, installId, versionId, draftId, digest, consent, narrowed, requestedBy } = input;
    const { changes } = this.#stores;
    const runId = randomUUID();
    const steps = pendingSteps(VERSION_STEPS.upgrade);
    const operation = {
      kind: 'upgrade',
      workflowId: 'install',
      runId,
      startedAt: new Date().toISOString(),
    } as const;
    await changes.open(tenantId, installId, { kind: 'upgrade', versionId, digest, operation, steps });
    await this.begun();
    const waiting = { runId, versionId, steps };
    if (this.changeEnd === 'consent') {
      await changes.wait(tenantId, installId, { ...waiting, waitingFor: 'consent' });
      return { installId, draftId };
    }
    const { needed } = await changes.stage(tenantId, installId, {
      runId,
      draftId,
      consent,
      ...(narrowed && { narrowed }),
      grantedBy: requestedBy,
    });
    if (needed.length > 0) await changes.wait(tenantId, installId, { ...waiting, waitingFor: 'settings' });
    else await this.#switch(input, runId, steps);
    return { installId, draftId };
  }

  async startRollback(input: RollbackInstallInput): Promise<InstallOpened> {
    this.#throwIfAsked();
    this.rollbacks.push(input);
    const { tenantId, installId, versionId, digest } = input;
    const runId = randomUUID();
    const steps = pendingSteps(VERSION_STEPS.rollback);
    const operation = {
      kind: 'rollback',
      workflowId: 'install',
      runId,
      startedAt: new Date().toISOString(),
    } as const;
    const opening = { kind: 'rollback', versionId, digest, operation, steps } as const;
    await this.#stores.changes.open(tenantId, installId, opening);
    await this.begun();
    await this.#switch(input, runId, steps);
    return { installId };
  }

  async #switch(
    { tenantId, installId, ...rest }: { tenantId: string; installId: string; draftId?: string },
    runId: string,
    steps: Step[],
  ): Promise<void> {
    const { changes, lifecycle } = this.#stores;
    const draft = rest.draftId === undefined ? {} : { draftId: rest.draftId };
    if (this.changeEnd === 'running') return;
    await changes.switch(tenantId, installId, { runId, steps });
    if (this.changeEnd === 'done') {
      await changes.finish(tenantId, installId, { runId, steps, ...draft });
      return;
    }
    await changes.switchBack(tenantId, installId, runId);
    await changes.close(tenantId, installId, { runId, ...draft });
    const failed = this.changeEnd === 'consent' ? {} : { error: this.changeEnd };
    await lifecycle.end(tenantId, installId, { runId, steps, ...failed });
  }

  decideSettings(_install: unknown, decision: SettingsDecision): Promise<{ status: 'active' }> {
    this.#throwIfAsked();
    this.settingsDecisions.push(decision);
    return Promise.resolve({ status: 'active' });
  }

  async purgeNow({ tenantId, installId }: PurgeInstallInput): Promise<void> {
    this.#throwIfAsked();
    await this.#stores.purges.hasten(tenantId, installId);
    await this.#stores.purges.begin(tenantId, installId);
    await this.#stores.purges.finish(tenantId, installId);
  }

  async narrowGrants({ tenantId, installId, grants, requestedBy }: NarrowGrantsInput): Promise<void> {
    this.#throwIfAsked();
    const kept = { grants, grantedBy: requestedBy };
    await this.#stores.operations.narrowGrants(tenantId, installId, kept);
    await this.begun();
  }

  decideConsent(_install: unknown, decision: ConsentDecision): Promise<{ status: 'active' }> {
    this.#throwIfAsked();
    this.decisions.push(decision);
    return Promise.resolve({ status: 'active' });
  }

  #throwIfAsked(): void {
    const once = this.failsOnce.shift();
    if (once) throw once;
    if (this.fails) throw this.fails;
  }
}

const CHECKS = [{ name: 'sha256', result: 'passed', required: true } as const];
