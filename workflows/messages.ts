import { defineQuery, defineSignal, defineUpdate } from '@temporalio/workflow';
import type { RequestedCapability } from '../activities/installs.ts';
import type { Grant } from '../core/capabilities.ts';
import type { NarrowedGrant } from '../core/grants.ts';
import type { Artifact } from '../core/artifact.ts';
import type {
  Check,
  FailureReason,
  InstallOperationKind,
  InstallStatus,
  InstallStepName,
  OperationStepName,
  PublishStatus,
  PublishStepName,
  Step,
} from '../core/progress.ts';

// The whole contract between the gateway and the workflows. The gateway imports this file and the workflows' types, nothing else.

/** Input of `publishBundle`, under the id `publish:{uploadId}`. The bytes wait in staging. */
export interface PublishBundleInput {
  tenantId: string;
  uploadId: string;
  requestedBy: string;
}

export interface PublishProgress {
  status: PublishStatus;
  step?: PublishStepName;
  steps: Step<PublishStepName>[];
  checks: Check[];
}

/** Input of `precompile`, under `precompile:{hash}:{target}`. */
export interface PrecompileInput {
  contentHash: string;
  target: string;
}

export interface PrecompileResult {
  artifact: Artifact;
  attempts: number;
}

/** Input of `recompileAll`, under `recompile:{target}:{keyId}`. */
export interface RecompileInput {
  target: string;
  /** `sha256:<hex>` of the public key that is to have signed every artifact. */
  keyId: string;
  /** Bundles at the same time. */
  atOnce?: number;
  /** Where an earlier run of the same work broke off; its own to fill in. */
  after?: { installed: boolean; turn: number; contentHash: string };
  progress?: RecompileProgress;
}

/** Progress of `recompileAll`, and its result. */
export interface RecompileProgress {
  pass: number;
  /** Live bundles without the artifact; counted again after every page. */
  left: number;
  done: number;
  failed: number;
  /** The latest ones, newest first. */
  failures: ({ contentHash: string } & FailureReason)[];
}

/** Which operation on an install is running; `digest` identifies its input, keyed so that it tells nothing of secrets in it. */
export interface RunningOperation {
  operation: InstallOperationKind;
  digest: string;
}

/** Input of `installExtension`, under `install:{tenant}:{extension}`. Settings and sealed secrets wait in the draft. */
export interface InstallExtensionInput {
  tenantId: string;
  extensionId: string;
  /** `publisher.name`. */
  extension: string;
  installId: string;
  versionId: string;
  contentHash: string;
  version: string;
  draftId: string;
  /** Capabilities the admin consents to; the rest is asked for, unless it is optional. */
  consent: 'all' | readonly string[];
  /** Scopes that the admin gives in the place of those that are asked for. */
  narrowed?: readonly Grant[];
  requestedBy: string;
  digest: string;
}

/** Input of `upgradeInstall`, under `install:{tenant}:{extension}`: the version is put in the place of the one that serves. */
export type UpgradeInstallInput = InstallExtensionInput;

/** Input of `rollbackInstall`, under `install:{tenant}:{extension}`: the version is one that the install had before. */
export interface RollbackInstallInput extends OperateInstallInput {
  versionId: string;
  contentHash: string;
  version: string;
  digest: string;
}

/** Input of `awaitSettings`, under `settings:{installId}:{versionId}`: what to go on with once the draft has all that is needed. */
export interface AwaitSettingsInput {
  operation: 'install' | 'upgrade';
  install: InstallExtensionInput;
  needed: readonly string[];
  /** Of the operation that waits, as they stand. */
  steps: Step<InstallStepName | OperationStepName>[];
}

/** Input of `awaitConsent`, under `consent:{installId}:{versionId}`: what to install once a person agrees, and what they agree to. */
export interface AwaitConsentInput {
  /** The one that waits, and begins anew. */
  operation: 'install' | 'upgrade';
  install: InstallExtensionInput;
  requested: RequestedCapability[];
  /** Of the operation that waits, as they stand. */
  steps: Step<InstallStepName | OperationStepName>[];
}

export interface InstallProgress {
  status: InstallStatus;
  step?: InstallStepName;
  steps: Step<InstallStepName>[];
}

/** Input of `configureInstall`, under `install:{tenant}:{extension}`: replaces config or secrets by the draft's. */
export interface ConfigureInstallInput {
  tenantId: string;
  extensionId: string;
  /** `publisher.name`. */
  extension: string;
  installId: string;
  draftId: string;
  requestedBy: string;
  digest: string;
}

export interface ConfigureInstallResult {
  configVersion: number;
  secretsVersion: number;
}

/** Input of `narrowGrants`, under `install:{tenant}:{extension}`: what is left of the grants of the version that the install has. */
export interface NarrowGrantsInput extends OperateInstallInput {
  grants: readonly NarrowedGrant[];
  digest: string;
}

/**
 * Input of `enableInstall`, `pauseInstall`, `resumeInstall` and `restoreInstall`, under `install:{tenant}:{extension}`, and of
 * `disableInstall`, under `disable:{installId}`.
 */
export interface OperateInstallInput {
  tenantId: string;
  extensionId: string;
  /** `publisher.name`. */
  extension: string;
  installId: string;
  requestedBy: string;
}

/** Input of `uninstallInstall`, under `uninstall:{installId}`. */
export interface UninstallInstallInput extends OperateInstallInput {
  /** Without the grace in which it can be restored. */
  purgeNow?: boolean;
}

/** Input of `purgeInstall`, under `purge:{installId}`. The row says when. */
export interface PurgeInstallInput {
  tenantId: string;
  installId: string;
}

/** Progress of such an operation, and its result. */
export interface OperationProgress {
  step?: OperationStepName;
  steps: Step<OperationStepName>[];
}

/** Input of `housekeeping`, which a Schedule of that name starts without one. */
export interface HousekeepingInput {
  /** Counts what would go, and changes nothing. */
  dryRun?: boolean;
}

export type SweepName =
  | 'partitions'
  | 'installs'
  | 'versions'
  | 'publishes'
  | 'uploads'
  | 'objects'
  | 'drafts'
  | 'executions'
  | 'api-keys';

/**
 * How much it ended or removed (of a dry run: would), or why it could not. Counted by the attempt that answered: what an earlier one had
 * done whose answer was lost is done and not in it.
 */
export type SweepOutcome = { count: number } | { error: FailureReason };

export interface HousekeepingResult {
  executionPartitions: string[];
  dryRun: boolean;
  /** In the order in which they ran. */
  swept: Partial<Record<SweepName, SweepOutcome>>;
}

// Signatures of workflows that start each other, by name.
export type InstallExtension = (input: InstallExtensionInput) => Promise<InstallProgress>;
export type PurgeInstall = (input: PurgeInstallInput) => Promise<'purged' | 'kept'>;
export type AwaitSettings = (input: AwaitSettingsInput) => Promise<{ status: InstallStatus }>;
export type AwaitConsent = (input: AwaitConsentInput) => Promise<{ status: InstallStatus }>;

export interface ConsentDecision {
  decision: 'grant' | 'decline';
  /** With `grant`: which optional capabilities as well; absent means all that were asked for. */
  capabilities?: readonly string[];
  /** With `grant`: scopes in the place of those that are asked for. */
  narrowed?: readonly Grant[];
  decidedBy: string;
}

export const publishProgressQuery = defineQuery<PublishProgress>('publishProgress');
export const recompileProgressQuery = defineQuery<RecompileProgress>('recompileProgress');
export const installProgressQuery = defineQuery<InstallProgress>('installProgress');
export const operationProgressQuery = defineQuery<OperationProgress>('operationProgress');

/** What became of a wait for settings: the draft has them all, or nobody wants the version any more. */
export interface SettingsDecision {
  decision: 'given' | 'decline';
  decidedBy: string;
}

/** The install's row says something else about its purge. */
export const purgeChangedSignal = defineSignal('purgeChanged');
/** The grace is given up. */
export const purgeNowSignal = defineSignal('purgeNow');

/** Which install, and which draft it uses: a caller that joined has its own draft left over. */
export interface InstallOpened {
  installId: string;
  /** Of operations that have one. */
  draftId?: string;
}

/** Answers once the workflow's row is written, so that a caller who was told 202 finds it. Rethrows what opening failed with. */
export const publishOpenedUpdate = defineUpdate<{ status: PublishStatus }>('publishOpened');

/**
 * The same for operations on an install. The validator refuses a caller whose input has another digest than the running operation's:
 * failure type OPERATION_RUNNING, details [RunningOperation].
 */
export const installOpenedUpdate = defineUpdate<InstallOpened, [RunningOperation]>('installOpened');

/** A person's decision, once. Refused with CONSENT_INVALID if it names what the version does not ask for, STATE_CONFLICT the second time. */
export const consentUpdate = defineUpdate<{ status: InstallStatus }, [ConsentDecision]>('consent');

/** The end of a wait for settings, once. Refused with STATE_CONFLICT the second time. */
export const settingsUpdate = defineUpdate<{ status: InstallStatus }, [SettingsDecision]>('settings');
