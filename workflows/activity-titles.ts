import type { ArtifactActivities } from '../activities/artifacts.ts';
import type { BundleActivities } from '../activities/bundles.ts';
import type { HousekeepingActivities } from '../activities/housekeeping.ts';
import type { LifecycleActivities } from '../activities/install-lifecycle.ts';
import type { InstallActivities } from '../activities/installs.ts';
import type { PrecompileActivities } from '../activities/precompile.ts';
import type { PublisherActivities } from '../activities/publishers.ts';
import type { PurgeActivities } from '../activities/purge.ts';
import type { RegistryActivities } from '../activities/registry.ts';
import type { SweepActivities } from '../activities/sweeps.ts';
import type { SignatureActivities } from '../activities/signatures.ts';
import type { TrustActivities } from '../activities/trust.ts';
import type { UploadActivities } from '../activities/uploads.ts';
import type { VerificationActivities } from '../activities/verification.ts';
import type { VersionChangeActivities } from '../activities/version-changes.ts';
import { grantsText } from '../core/grant-text.ts';
import { consentTitle, precompileTitle, settingsTitle } from '../core/titles.ts';

/** Every activity of ours. */
export type Activities = InstallActivities &
  LifecycleActivities &
  VersionChangeActivities &
  PurgeActivities &
  UploadActivities &
  VerificationActivities &
  BundleActivities &
  PrecompileActivities &
  ArtifactActivities &
  RegistryActivities &
  TrustActivities &
  SignatureActivities &
  PublisherActivities &
  HousekeepingActivities &
  SweepActivities;

type Titles = {
  [Name in keyof Activities]: string | ((input: Parameters<Activities[Name]>[0] & object) => string);
};

const probe = (health: string | undefined): string =>
  health === undefined ? 'No health endpoint to ask: being instantiated was the probe' : `Ask GET ${health}`;

/** What an operator reads beside each activity in the Temporal UI: what it does, in words of the story. */
export const ACTIVITY_TITLES: Titles = {
  openInstall: 'Write the row of the install',
  waitForConsent: ({ requested }) => consentTitle(requested),
  waitForSettings: ({ needed }) => settingsTitle(needed),
  grantCapabilities: ({ grants }) => `Grant ${grantsText(grants)}`,
  narrowGrants: ({ grants }) =>
    `Leave of the grants ${grantsText(grants.map(({ capability, scope = {} }) => ({ capability, scope })))}`,
  revokeCapabilities: 'Undo consent: revoke what was granted',
  applyDraft: 'Apply config and secrets',
  clearSettings: 'Undo configure: remove config and secrets',
  discardDraft: 'Discard the config and secrets that were sent along',
  activateInstall: 'Let the version serve',
  deactivateInstall: 'Undo activate: stop serving',
  endInstall: ({ status }) => `Show in the row that the install is ${status}`,

  openOperation: ({ kind }) => `Take the row for ${kind}`,
  warmInstall: 'Load the version into a runner and instantiate it',
  probeInstall: ({ health }) => probe(health),
  enableInstall: 'Let the version serve again',
  pauseInstall: 'Refuse calls until an admin resumes',
  resumeInstall: 'Take calls again',
  disableInstall: 'Stop calls, whatever else runs',
  stopInstall: 'Stop calls for good, whatever else runs',
  cancelOperation: 'Have what runs on the install undo itself',
  drainInstall: 'Wait for the calls that had begun',
  uninstallInstall: 'Show that it is uninstalled, and until when it can be restored',
  restoreInstall: 'Take the uninstall back',
  endOperation: ({ kind }) => `Show in the row that ${kind} failed`,

  openChange: ({ kind }) => `Take the row for ${kind}`,
  stageUpgrade: 'Prepare the config, secrets and grants of the next version',
  leaveUpgrade: ({ title }) => title,
  switchVersion: 'Let the version serve in the place of the one before',
  verifyVersion: ({ health }) =>
    health === undefined
      ? 'Instantiate the version that serves'
      : `Ask GET ${health} of the version that serves`,
  finishChange: 'Keep the version before, and end the operation',
  switchBack: 'Undo switch: the version before serves again',
  closeChange: 'Undo open and configure: nothing is on its way any more',
  withdrawUpgrade: 'Show in the row that nobody waits for the version any more',

  readPurge: 'Read when the grace is over',
  hastenPurge: 'End the grace now',
  beginPurge: 'Take the install: from here on it cannot be restored',
  purgeExecutions: 'Remove its executions',
  purgeRecords: 'Remove its records',
  finishPurge: 'Remove its config, secrets, grants and drafts',

  openPublish: 'Take the upload',
  abortUpload: ({ reason }) =>
    reason === undefined
      ? 'Give the upload up, as its publisher wished'
      : `Give the upload up: ${reason.message}`,
  verifyBundle: 'Verify hash, archive, manifest, files and publisher',
  inspectComponent: 'Check the component against the host world',
  promoteBundle: 'Put the bundle where its hash says',
  precompileBundle: (input) => precompileTitle(input),
  recordArtifact: 'Write the artifact down in the registry',
  registerVersion: 'Register the version',
  endPublish: ({ status }) => `Show in the row that the publish is ${status}`,
  removeStaging: 'Remove the bytes from staging',

  countOutdatedBundles: 'Count the bundles without the artifact',
  listOutdatedBundles: 'List the next of them',

  addTrustKey: ({ key }) => `Trust the key ${key.keyId}`,
  revokeTrustKey: ({ key }) => `Trust the key ${key.keyId} no more`,
  addSignature: 'Put the signature beside the bundle, if it counts',
  adoptTrustBundle: 'Trust what SIGNING_TRUST_BUNDLE says now',
  revokeVersion: 'Take the version back',
  judgeVersions: 'Hold the next versions against what is trusted',
  tellInstalls: 'Have installs show what became of their versions',
  reportTrust: 'Keep how it went',
  transferPublisher: ({ slug, tenantId }) => `Give the publisher ${slug} to tenant ${tenantId}`,

  prepareExecutionPartitions: 'Make the days of the execution log ahead of time',
  sweepTrust: 'Go on holding what is published against what is trusted, where that was cut off',
  sweepInstalls: 'End installs whose workflow is lost',
  sweepVersions: 'Remove versions that installs no longer keep',
  sweepPublishes: 'End publishes whose workflow is lost',
  sweepUploads: 'End abandoned uploads, and remove those that ended long ago',
  sweepObjects: 'Remove staged objects that nobody waits for',
  sweepDrafts: 'Empty expired drafts, and remove those that are told no longer',
  sweepExecutions: 'Interrupt executions that nobody will end',
  sweepApiKeys: 'Remove API keys that are long over',
  sweepRecords: 'Remove records whose time is over',
};
