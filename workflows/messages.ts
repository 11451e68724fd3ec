import type { UpdateDefinition } from '@temporalio/common';
import { defineQuery, defineSignal, defineUpdate } from '@temporalio/workflow';
import type { RequestedCapability } from '../activities/installs.ts';
import type { Grant } from '../core/capabilities.ts';
import type { NarrowedGrant } from '../core/grants.ts';
import type { Artifact } from '../core/artifact.ts';
import type { DsseEnvelope } from '../core/dsse-envelope.ts';
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
import type { TrustKey } from '../core/trust.ts';
import type { SentPart } from '../core/upload-parts.ts';

// The whole contract between the gateway and the workflows. The gateway imports this file and the workflows' types, nothing else.

/** Input of `publishBundle`, under the id `publish:{uploadId}`, which runs from when the upload begins. */
export interface PublishBundleInput {
  tenantId: string;
  uploadId: string;
  requestedBy: string;
  /** Until when it waits for the upload to be finalized, RFC 3339 UTC. */
  expiresAt: string;
}

export interface FinalizeUpload {
  /** Of an upload in parts; absent means those that are there. */
  parts?: readonly SentPart[];
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
  | 'trust'
  | 'installs'
  | 'versions'
  | 'publishes'
  | 'uploads'
  | 'objects'
  | 'drafts'
  | 'executions'
  | 'api-keys'
  | 'records';

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

/** Input of `trustKey` and `revokeKey`, under `trust-key:{keyId}` and `revoke-key:{keyId}`; a revoked one may say its reason. */
export interface TrustKeyInput {
  key: TrustKey;
  requestedBy: string;
  pass?: TrustPass;
}

/** Input of `adoptTrustBundle`, under `adopt-trust-bundle:{digest}`. `digest`: null where workers have no trust bundle. */
export interface AdoptTrustBundleInput {
  digest: string | null;
  pass?: TrustPass;
}

/** Input of `judgePublished`, under `judge-published`. */
export interface JudgePublishedInput {
  pass?: TrustPass;
}

/** Input of `signVersion`, under `sign-version:{versionId}:{sha256 of the envelope}`. */
export interface SignVersionInput {
  /** Whose the publisher must be. */
  tenantId: string;
  versionId: string;
  contentHash: string;
  envelope: DsseEnvelope;
  requestedBy: string;
  pass?: TrustPass;
}

/** Input of `revokeVersion`, under `revoke-version:{versionId}`. */
export interface RevokeVersionInput {
  versionId: string;
  reason: string;
  requestedBy: string;
  /** By an earlier run of the same work; its own to fill in. */
  told?: ToldInstalls;
}

/** Installs that were told what became of their version, and the place after which the next ones are. */
export interface ToldInstalls {
  installs: number;
  after?: { tenantId: string; installId: string };
}

/** Where an earlier run of the same work broke off; its own to fill in. */
export interface TrustPass {
  progress: TrustProgress;
  revision: number;
  /** Versions whose installs are still to be told. */
  telling?: { versionIds: readonly string[]; after?: ToldInstalls['after'] };
}

/** Input of `transferPublisher`, under `transfer-publisher:{slug}`: the tenant gets the publisher. */
export interface TransferPublisherInput {
  slug: string;
  tenantId: string;
  reason: string;
  requestedBy: string;
}

/** Progress of what changes what is trusted, and its result. */
export interface TrustProgress {
  /** That were judged, and those of them whose status changed. */
  versions: number;
  quarantined: number;
  released: number;
  /** That serve a version whose status changed. */
  installs: number;
  left: number;
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
export const trustProgressQuery = defineQuery<TrustProgress>('trustProgress');
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

/**
 * Takes the upload into its publish, and answers once the row shows it; of one that was taken already it answers that. Refused with
 * UPLOAD_INCOMPLETE or UPLOAD_MISMATCH while the bytes are not there, after which it can be asked again, and with UPLOAD_CLOSED once the
 * upload was given up or has expired.
 */
export const finalizeUploadUpdate = defineUpdate<{ status: PublishStatus }, [FinalizeUpload]>(
  'finalizeUpload',
);

/** Gives the upload up; answers once the row shows it. Refused with UPLOAD_CLOSED once it was finalized. */
export const abortUploadUpdate = defineUpdate<{ status: PublishStatus }>('abortUpload');

/**
 * The same for what is trusted, and who is trusted with a publisher: it binds whoever judges from here on. What follows from it goes on. A
 * running transfer to another tenant than is asked for refuses with STATE_CONFLICT.
 */
export const trustChangedUpdate: UpdateDefinition<void, [asked: object]> = defineUpdate('trustChanged');

/**
 * Answers once the workflow's row is written, so that a caller who was told 202 finds it. Rethrows what opening failed with. The validator refuses a caller whose input has another digest than the running operation's:
 * failure type OPERATION_RUNNING, details [RunningOperation].
 */
export const installOpenedUpdate = defineUpdate<InstallOpened, [RunningOperation]>('installOpened');

/** A person's decision, once. Refused with CONSENT_INVALID if it names what the version does not ask for, STATE_CONFLICT the second time. */
export const consentUpdate = defineUpdate<{ status: InstallStatus }, [ConsentDecision]>('consent');

/** The end of a wait for settings, once. Refused with STATE_CONFLICT the second time. */
export const settingsUpdate = defineUpdate<{ status: InstallStatus }, [SettingsDecision]>('settings');
