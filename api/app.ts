import type { KeyObject } from 'node:crypto';
import express, { type Express, type RequestHandler, type Router } from 'express';
import type { ApiKeyStore } from '../platform/db/api-keys.ts';
import type { ArtifactStore } from '../platform/db/artifacts.ts';
import type { CallFacts } from '../platform/db/call-facts.ts';
import type { ExecutionStore } from '../platform/db/executions.ts';
import type { HostGrantStore } from '../platform/db/host-grants.ts';
import type { HydrationStore } from '../platform/db/hydration.ts';
import type { InstallStore } from '../platform/db/installs.ts';
import type { RegistryStore } from '../platform/db/registry.ts';
import type { RowChanges } from '../platform/db/row-changes.ts';
import type { SignatureStore } from '../platform/db/signatures.ts';
import type { StorageExportStore } from '../platform/db/storage-export.ts';
import type { StorageRecordStore } from '../platform/db/storage-records.ts';
import type { TenantStore } from '../platform/db/tenants.ts';
import type { PublisherStore } from '../platform/db/publishers.ts';
import type { TrustStore } from '../platform/db/trust.ts';
import type { UploadStore } from '../platform/db/uploads.ts';
import type { VersionTrustStore } from '../platform/db/version-trust.ts';
import type { Logger } from '../platform/logger.ts';
import type { ObjectKeys } from '../platform/objects/keys.ts';
import type { ObjectStore } from '../platform/objects/object-store.ts';
import { createErrorHandler, refuseUnknownRoute } from './error-handler.ts';
import { createSendEvents } from './event-streams.ts';
import type { CallShares } from './execution/call-shares.ts';
import { allowOrigins } from './execution/cors.ts';
import { createExecuteExtensionRouter } from './execution/execute-extension.ts';
import type { ExecutionTokens } from './execution/execution-tokens.ts';
import type { Executor } from './execution/executor.ts';
import type { RequestBodies } from './execution/request-body.ts';
import type { Runners } from './execution/runners.ts';
import type { InputDigest } from './installs/input-digest.ts';
import type { InstallLifecycle } from './installs/install-lifecycle.ts';
import type { InstallService } from './installs/install-service.ts';
import type { SettingsOfPending } from './installs/pending-settings.ts';
import type { VersionChanges } from './installs/version-changes.ts';
import { createInternalRouter, type InternalRouterDeps } from './internal/internal-router.ts';
import type { ServiceCredentials } from './internal/service-credential.ts';
import { noteChanges } from './note-changes.ts';
import { createAuthenticate, requirePermission } from './principal.ts';
import { assignRequestId } from './request-id.ts';
import { createApiKeysRouter } from './routes/api-keys.ts';
import { createCheckUpgradeRouter } from './routes/check-upgrade.ts';
import { createExecutionsRouter } from './routes/executions.ts';
import { createExportInstallRouter } from './routes/export-install.ts';
import { createExtBundlesRouter } from './routes/ext-bundles.ts';
import { createExtensionsRouter } from './routes/extensions.ts';
import { createExtUiRouter } from './routes/ext-ui.ts';
import { createHealthRouter } from './routes/health.ts';
import { createHostKeysRouter } from './routes/host-keys.ts';
import { createInstallExtensionRouter } from './routes/install-extension.ts';
import { createInstallLifecycleRouter } from './routes/install-lifecycle.ts';
import { createInstallsRouter } from './routes/installs.ts';
import { createNarrowGrantsRouter } from './routes/narrow-grants.ts';
import { createManifestSchemaRouter } from './routes/manifest-schema.ts';
import { createPublishersRouter } from './routes/publishers.ts';
import { createPublishesRouter } from './routes/publishes.ts';
import { createTenantsRouter } from './routes/tenants.ts';
import { createTrustKeysRouter } from './routes/trust-keys.ts';
import { createDecodeRouter } from './temporal/decode-payloads.ts';
import { allowUi, createCapabilityRouter, type TemporalUi } from './temporal/temporal-ui.ts';
import { createVersionChangesRouter } from './routes/version-changes.ts';
import type { WorkflowStarter } from './workflow-starter.ts';

export interface AppDeps {
  logger: Logger;
  apiKeys: ApiKeyStore;
  callFacts: CallFacts;
  tenants: TenantStore;
  publishers: PublisherStore;
  trust: TrustStore;
  versionTrust: VersionTrustStore;
  uploads: UploadStore;
  artifacts: ArtifactStore;
  registry: RegistryStore;
  signatures: SignatureStore;
  installs: InstallStore;
  executions: ExecutionStore;
  hydration: HydrationStore;
  records: StorageRecordStore;
  storage: StorageExportStore;
  objects: ObjectStore;
  keys: ObjectKeys;
  workflows: WorkflowStarter;
  changes: RowChanges;
  installService: InstallService;
  inputDigest: InputDigest;
  installLifecycle: InstallLifecycle;
  settingsOfPending: SettingsOfPending;
  versionChanges: VersionChanges;
  executor: Executor;
  callShares: CallShares;
  requestBodies: RequestBodies;
  /** Pages of these may call extensions. */
  callOrigins: readonly string[];
  runners: Runners;
  credentials: ServiceCredentials;
  executionTokens: Pick<ExecutionTokens, 'check'>;
  hostGrants: HostGrantStore;
  hostApplication: InternalRouterDeps['hostApplication'];
  uiProxy: InternalRouterDeps['uiProxy'];
  /** Public keys of what we present to the host application. */
  hostTokenKeys: readonly KeyObject[];
  secretsKeyId: string;
  runnerPublicBase: string;
  temporalUi: TemporalUi;
  maxTimeoutMs: number;
  isDraining: () => boolean;
  /** Rejects while the database does not answer. */
  checkDatabase: () => Promise<void>;
}

export interface Apps {
  /** Everything. */
  public: Express;
  /** What runners and workers ask, health, and on one machine what the Temporal UI asks. */
  internal: Express;
}

/** The gateway's routes, by listener. Listens to nothing and reads no environment. */
export function createApps(deps: AppDeps): Apps {
  const internal = createInternalRouter(deps);
  return {
    public: createApp(deps, internal, (app) => addPublicRoutes(app, deps)),
    internal: createApp(deps, internal, (app) => {
      const codec = createCapabilityRouter(deps.temporalUi, deps.logger);
      if (codec) app.use('/api/temporal', codec);
    }),
  };
}

/** Whether a request is for an extension, and its body is read once it is known that the extension may be called. */
export function isCall({ url = '' }: { url?: string | undefined }): boolean {
  return /^\/api\/ext(-proxy)?\//i.test(url);
}

function createApp(deps: AppDeps, internal: Router, addRoutes: (app: Express) => void): Express {
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  app.use(assignRequestId);
  app.use(createHealthRouter(deps));
  app.use('/api/internal', internal);
  addRoutes(app);
  app.use(refuseUnknownRoute);
  app.use(createErrorHandler(deps.logger));
  return app;
}

function addPublicRoutes(app: Express, deps: AppDeps): void {
  const { installService: service, installLifecycle: lifecycle, settingsOfPending: settings } = deps;
  const sendEvents = createSendEvents({ changes: deps.changes });
  const authenticate = createAuthenticate(deps);
  const refuseOverfull: RequestHandler = async (req, _res, next) => {
    await deps.callShares.refuseOverfull(req.path.split('/')[1] ?? '', req);
    next();
  };
  // Calls first: each layer before them costs all of them.
  if (deps.callOrigins.length > 0) app.use(['/api/ext', '/api/ext-proxy'], allowOrigins(deps.callOrigins));
  app.use('/api/ext', refuseOverfull, authenticate, createExecuteExtensionRouter(deps, 'http'));
  app.use('/api/ext-proxy', refuseOverfull, authenticate, createExecuteExtensionRouter(deps, 'ui-proxy'));
  app.use(createHostKeysRouter(deps.hostTokenKeys));
  app.use(createManifestSchemaRouter());
  app.use('/api/temporal', allowUi(deps.temporalUi.origins));
  app.use(['/api', '/ext-ui'], authenticate);
  app.use('/api/v1', noteChanges(deps.callFacts));
  app.use('/api/temporal', requirePermission('platform:operate'), createDecodeRouter(deps.temporalUi.codec));
  app.use('/api/ext-bundles', createExtBundlesRouter(deps));
  app.use('/api/v1/publishes', createPublishesRouter({ ...deps, sendEvents }));
  app.use('/api/v1/extensions/check-upgrade', createCheckUpgradeRouter({ ...deps, service }));
  app.use('/api/v1/extensions/install', createInstallExtensionRouter({ ...deps, service }));
  app.use('/api/v1/extensions', createExtensionsRouter(deps));
  app.use('/api/v1/installs', createInstallLifecycleRouter({ ...deps, service, lifecycle }));
  app.use('/api/v1/installs', createVersionChangesRouter({ ...deps, service }));
  app.use('/api/v1/installs', createExportInstallRouter({ ...deps, service }));
  app.use('/api/v1/installs', createNarrowGrantsRouter({ ...deps, service }));
  app.use('/api/v1/installs', createInstallsRouter({ ...deps, service, settings, sendEvents }));
  app.use('/api/v1/executions', createExecutionsRouter(deps));
  app.use('/api/v1/tenants', createTenantsRouter(deps));
  app.use('/api/v1/api-keys', createApiKeysRouter(deps));
  app.use('/api/v1/publishers', createPublishersRouter(deps));
  app.use('/api/v1/trust-keys', createTrustKeysRouter(deps));
  app.use('/ext-ui', createExtUiRouter(deps));
}
