import type { Migrations } from '../platform/db/migrate.ts';
import * as createTenantsAndApiKeys from './20261121T100000-create-tenants-and-api-keys.ts';
import * as createRegistry from './20261121T100100-create-registry.ts';
import * as createInstalls from './20261121T100200-create-installs.ts';
import * as createExecutionsAndStorage from './20261121T100300-create-executions-and-storage.ts';
import * as installOperations from './20261121T150000-install-operations.ts';
import * as notifyRowChanges from './20261121T160000-notify-row-changes.ts';
import * as partitionExecutions from './20261121T170000-partition-executions.ts';
import * as leadKeysByTenant from './20261121T171000-lead-keys-by-tenant-and-index-lists.ts';
import * as recordArtifactKeys from './20261121T180000-record-artifact-keys.ts';
import * as findDraftsByRequest from './20261121T190000-find-drafts-by-request.ts';
import * as countStorage from './20261121T200000-count-storage.ts';
import * as rememberAppliedDrafts from './20261121T210000-remember-applied-drafts.ts';
import * as findWhatIsLeft from './20261121T220000-find-what-is-left.ts';
import * as tellWhatBecameOfChanges from './20261121T230000-tell-what-became-of-changes.ts';
import * as countAgainstQuotas from './20261121T233000-count-against-quotas.ts';
import * as tellPublishersApart from './20261121T234000-tell-publishers-apart.ts';
import * as findOperatedInstalls from './20261129T110000-find-operated-installs.ts';
import * as uninstallWithGrace from './20261129T120000-uninstall-with-grace.ts';
import * as findKeysByMaker from './20261129T123000-find-keys-by-maker.ts';
import * as switchCapabilitiesOff from './20261129T170000-switch-capabilities-off.ts';
import * as findWhatIsOver from './20261129T171000-find-what-is-over.ts';
import * as changeVersions from './20261129T180000-change-versions.ts';
import * as notifyCallChanges from './20261129T230000-notify-call-changes.ts';
import * as expireRecords from './20261130T100000-expire-records.ts';
import * as keepExceptions from './20261130T120000-keep-exceptions.ts';
import * as retryEndpoints from './20261130T150000-retry-endpoints.ts';
import * as completeTheEdgesOfCalls from './20261130T160000-complete-the-edges-of-calls.ts';
import * as leaveRoomForEnds from './20261130T170000-leave-room-for-ends.ts';
import * as letKeysHoldExtensionsPermissions from './20261130T170000-let-keys-hold-extensions-permissions.ts';
import * as trustSignatures from './20261130T180000-trust-signatures.ts';
import * as publishFromInitiate from './20261130T190000-publish-from-initiate.ts';
import * as transferPublishers from './20261130T190001-transfer-publishers.ts';
import * as announceContentTypes from './20261130T200000-announce-content-types.ts';

/**
 * Every migration in order, by the name the database records: no file extension, so that builds do not change it. One that the release
 * before cannot run on says `export const breaking = true`: processes without it then refuse to start.
 */
export const migrations: Migrations = {
  '20261121T100000-create-tenants-and-api-keys': createTenantsAndApiKeys,
  '20261121T100100-create-registry': createRegistry,
  '20261121T100200-create-installs': createInstalls,
  '20261121T100300-create-executions-and-storage': createExecutionsAndStorage,
  '20261121T150000-install-operations': installOperations,
  '20261121T160000-notify-row-changes': notifyRowChanges,
  '20261121T170000-partition-executions': partitionExecutions,
  '20261121T171000-lead-keys-by-tenant-and-index-lists': leadKeysByTenant,
  '20261121T180000-record-artifact-keys': recordArtifactKeys,
  '20261121T190000-find-drafts-by-request': findDraftsByRequest,
  '20261121T200000-count-storage': countStorage,
  '20261121T210000-remember-applied-drafts': rememberAppliedDrafts,
  '20261121T220000-find-what-is-left': findWhatIsLeft,
  '20261121T230000-tell-what-became-of-changes': tellWhatBecameOfChanges,
  '20261121T233000-count-against-quotas': countAgainstQuotas,
  '20261121T234000-tell-publishers-apart': tellPublishersApart,
  '20261129T110000-find-operated-installs': findOperatedInstalls,
  '20261129T120000-uninstall-with-grace': uninstallWithGrace,
  '20261129T123000-find-keys-by-maker': findKeysByMaker,
  '20261129T170000-switch-capabilities-off': switchCapabilitiesOff,
  '20261129T171000-find-what-is-over': findWhatIsOver,
  '20261129T180000-change-versions': changeVersions,
  '20261129T230000-notify-call-changes': notifyCallChanges,
  '20261130T100000-expire-records': expireRecords,
  '20261130T120000-keep-exceptions': keepExceptions,
  '20261130T150000-retry-endpoints': retryEndpoints,
  '20261130T160000-complete-the-edges-of-calls': completeTheEdgesOfCalls,
  '20261130T170000-leave-room-for-ends': leaveRoomForEnds,
  '20261130T170000-let-keys-hold-extensions-permissions': letKeysHoldExtensionsPermissions,
  '20261130T180000-trust-signatures': trustSignatures,
  '20261130T190000-publish-from-initiate': publishFromInitiate,
  '20261130T190001-transfer-publishers': transferPublishers,
  '20261130T200000-announce-content-types': announceContentTypes,
};
