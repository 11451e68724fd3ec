import * as apiKeys from './api-keys.ts';
import * as executions from './executions.ts';
import * as extensions from './extensions.ts';
import * as hostApplication from './host-application.ts';
import * as hostStorage from './host-storage.ts';
import * as hostStorageV2 from './host-storage-v2.ts';
import * as installs from './installs.ts';
import * as lifecycle from './install-lifecycle.ts';
import * as internal from './internal.ts';
import * as manifestSchema from './manifest-schema.ts';
import * as publishers from './publishers.ts';
import * as publishes from './publishes.ts';
import type { Route } from './route.ts';
import * as settings from './install-config.ts';
import * as tenants from './tenants.ts';
import * as upgrades from './upgrades.ts';
import * as trustKeys from './trust-keys.ts';
import * as uploads from './uploads.ts';
import * as versions from './version-changes.ts';

/** What a client with an API key may ask, by the name of each route. */
export const publicRoutes = {
  initiateUpload: uploads.initiateUpload,
  uploadProxy: uploads.uploadProxy,
  finalizeUpload: uploads.finalizeUpload,
  abortUpload: uploads.abortUpload,
  readUpload: uploads.readUpload,
  readPublish: publishes.readPublish,
  watchPublish: publishes.watchPublish,
  listExtensions: extensions.listExtensions,
  readExtension: extensions.readExtension,
  listVersions: extensions.listVersions,
  readVersion: extensions.readVersion,
  revokeVersion: trustKeys.revokeVersion,
  signVersion: trustKeys.signVersion,
  listTrustKeys: trustKeys.listTrustKeys,
  readTrustKey: trustKeys.readTrustKey,
  addTrustKey: trustKeys.addTrustKey,
  revokeTrustKey: trustKeys.revokeTrustKey,
  readPublisher: publishers.readPublisher,
  transferPublisher: publishers.transferPublisher,
  checkUpgrade: upgrades.checkUpgrade,
  installExtension: installs.installExtension,
  listInstalls: installs.listInstalls,
  readInstall: installs.readInstall,
  watchInstall: installs.watchInstall,
  narrowGrants: installs.narrowGrants,
  decideConsent: installs.decideConsent,
  enableInstall: lifecycle.enableInstall,
  disableInstall: lifecycle.disableInstall,
  pauseInstall: lifecycle.pauseInstall,
  resumeInstall: lifecycle.resumeInstall,
  uninstallInstall: lifecycle.uninstallInstall,
  restoreInstall: lifecycle.restoreInstall,
  upgradeInstall: versions.upgradeInstall,
  rollbackInstall: versions.rollbackInstall,
  exportInstall: lifecycle.exportInstall,
  readConfig: settings.readConfig,
  replaceConfig: settings.replaceConfig,
  resetConfig: settings.resetConfig,
  readSecrets: settings.readSecrets,
  changeSecrets: settings.changeSecrets,
  clearSecrets: settings.clearSecrets,
  listExecutions: executions.listExecutions,
  readExecution: executions.readExecution,
  createTenant: tenants.createTenant,
  listTenants: tenants.listTenants,
  readTenantCapabilities: tenants.readTenantCapabilities,
  switchTenantCapabilities: tenants.switchTenantCapabilities,
  createApiKey: apiKeys.createApiKey,
  listApiKeys: apiKeys.listApiKeys,
  revokeApiKey: apiKeys.revokeApiKey,
} as const satisfies Record<string, Route>;

/** What anybody may ask: it tells nothing of anybody. */
export const openRoutes = {
  readManifestSchema: manifestSchema.readManifestSchema,
} as const satisfies Record<string, Route>;

/** What our own processes ask each other, with credentials of services. */
export const internalRoutes = {
  runExecution: internal.runExecution,
  readInstallConfig: internal.readInstallConfig,
  readUiInstall: internal.readUiInstall,
  readBundleTrust: internal.readBundleTrust,
  requestPrecompile: internal.requestPrecompile,
  getRecord: hostStorage.getRecord,
  putRecord: hostStorage.putRecord,
  deleteRecord: hostStorage.deleteRecord,
  listRecords: hostStorage.listRecords,
  getEntry: hostStorageV2.getEntry,
  getEntries: hostStorageV2.getEntries,
  listEntries: hostStorageV2.listEntries,
  putEntries: hostStorageV2.putEntries,
  deleteEntry: hostStorageV2.deleteEntry,
  deleteEntries: hostStorageV2.deleteEntries,
  incrementEntry: hostStorageV2.incrementEntry,
  listClients: hostApplication.listClients,
  getClient: hostApplication.getClient,
  listServices: hostApplication.listServices,
  getService: hostApplication.getService,
  createManualInvoice: hostApplication.createManualInvoice,
  callHostRoute: hostApplication.callHostRoute,
} as const satisfies Record<string, Route>;
