import { setTimeout as delay } from 'node:timers/promises';
import type { GatewayConfig } from '../platform/config/gateway.ts';
import { createApiKeyStore } from '../platform/db/api-keys.ts';
import { openDatabase } from '../platform/db/database.ts';
import { createArtifactStore } from '../platform/db/artifacts.ts';
import { createCallFacts } from '../platform/db/call-facts.ts';
import { createExecutionStore } from '../platform/db/executions.ts';
import { createHostGrantStore } from '../platform/db/host-grants.ts';
import { createHydrationStore } from '../platform/db/hydration.ts';
import { createInstallDraftStore } from '../platform/db/install-drafts.ts';
import { createInstallStore } from '../platform/db/installs.ts';
import { createRegistryStore } from '../platform/db/registry.ts';
import { listenForNotifications } from '../platform/db/notifications.ts';
import { createRowChanges } from '../platform/db/row-changes.ts';
import { createStorageExportStore } from '../platform/db/storage-export.ts';
import { createStorageRecordStore } from '../platform/db/storage-records.ts';
import { createSignatureStore } from '../platform/db/signatures.ts';
import { createTenantStore } from '../platform/db/tenants.ts';
import { createPublisherStore } from '../platform/db/publishers.ts';
import { createTrustStore } from '../platform/db/trust.ts';
import { createUploadStore } from '../platform/db/uploads.ts';
import { createVersionTrustStore } from '../platform/db/version-trust.ts';
import { createVersionChangeStore } from '../platform/db/version-changes.ts';
import { createHttpServer } from '../platform/http/http-server.ts';
import type { Logger } from '../platform/logger.ts';
import { createObjectStore } from '../platform/objects/create-object-store.ts';
import { createObjectKeys } from '../platform/objects/keys.ts';
import { secretsKeyId as keyIdOf } from '../platform/secrets/sealing-suite.ts';
import { connectTemporal } from '../platform/temporal/client.ts';
import { createPayloadCodec } from '../platform/temporal/payload-codec.ts';
import { readPrivateKey } from '../platform/tokens/ed25519.ts';
import { createApps, isCall, type AppDeps } from './app.ts';
import { createCallShares } from './execution/call-shares.ts';
import { createExecutionTokens } from './execution/execution-tokens.ts';
import { createExecutor } from './execution/executor.ts';
import { createRequestBodies } from './execution/request-body.ts';
import { createRunners } from './execution/runners.ts';
import { createHostConnections } from './host-connections.ts';
import { createDraftWriter, createSealSecrets } from './installs/write-draft.ts';
import { createDraftedOperation } from './installs/drafted-operation.ts';
import { createInputDigest } from './installs/input-digest.ts';
import { createInstallLifecycle } from './installs/install-lifecycle.ts';
import { createInstallService } from './installs/install-service.ts';
import { createOnceSettled } from './installs/once-settled.ts';
import { createPendingSettings } from './installs/pending-settings.ts';
import { createVersionChanges } from './installs/version-changes.ts';
import { createWorkflowStarter } from './workflow-starter.ts';

/** Far over any statement of ours; a client is told that the database does not answer. */
const STATEMENT_TIMEOUT_MS = 5_000;

/** A large bundle over a slow line takes its time. */
const REQUEST_TIMEOUT_MS = 30 * 60_000;

/**
 * On shutdown requests under way have the longest execution's time to end, and this much more: for a body to come, a place to become free
 * and other runners to be tried, and for the last one to begin and to answer.
 */
const DRAIN_MS = 19_000;
/** What workers and runners still wait for once the last execution has ended: warm-ups, which a worker repeats. */
const INTERNAL_DRAIN_MS = 5_000;

export interface Gateway {
  /** Answers the ports, which the system chose if the configured ones are 0. */
  listen(): Promise<{ port: number; internalPort: number }>;
  /**
   * Lets calls under way end and answers them, with their host calls served to the last; then closes every connection. New calls are
   * refused at once.
   */
  close(): Promise<void>;
}

/** Opens connections and builds the gateway on them. Temporal and the runner may be away when it starts. `given` is used as it is. */
export function createGateway(
  config: GatewayConfig,
  logger: Logger,
  given: Partial<Pick<AppDeps, 'workflows' | 'runners' | 'callShares'>> = {},
): Gateway {
  const db = openDatabase({ ...config.database, statementTimeoutMs: STATEMENT_TIMEOUT_MS });
  // Apart, so that whatever guests ask, a call still finds a connection to begin and end with.
  const hostDb = openDatabase({
    ...config.database,
    poolMax: config.hostPoolMax,
    statementTimeoutMs: STATEMENT_TIMEOUT_MS,
    plansOnce: true,
  });
  // Two statements for every call, one of each at a time. Planned anew, an end costs the database twice what it does.
  const executionsDb = openDatabase({
    ...config.database,
    poolMax: 2,
    statementTimeoutMs: STATEMENT_TIMEOUT_MS,
    plansOnce: true,
  });
  const notifications = listenForNotifications({ url: config.database.url, logger });
  const changes = createRowChanges(notifications);
  const temporal = connectTemporal(config.temporal);
  const runners = given.runners ?? createRunners(config.runners, logger);
  const tokenKey = readPrivateKey(config.executionTokenKeys.current.reveal());
  const { previous } = config.executionTokenKeys;
  const executionTokens = createExecutionTokens(tokenKey, previous && readPrivateKey(previous.reveal()));
  const { secretsPublicKey } = config;
  const secretsKeyId = keyIdOf(secretsPublicKey);

  const connections = createHostConnections(config, logger);
  const apiKeys = createApiKeyStore(db);
  const hydration = createHydrationStore(db);
  const registry = createRegistryStore(db);
  const installs = createInstallStore(db);
  const drafts = createInstallDraftStore(db);
  const executions = createExecutionStore(db, executionsDb);
  const workflows = given.workflows ?? createWorkflowStarter(temporal.client);
  const concurrency = { tenant: config.tenantConcurrency, install: config.installConcurrency };
  const executor = createExecutor({
    executions,
    runners,
    executionTokens,
    secretsKeyId,
    tenantConcurrency: config.tenantConcurrency,
    installConcurrency: config.installConcurrency,
    logger,
  });
  const sealSecrets = createSealSecrets({ publicKey: secretsPublicKey, keyId: secretsKeyId });
  const writeDraft = createDraftWriter({ drafts, sealSecrets });
  const draftedOperation = createDraftedOperation({ writeDraft, drafts, installs });
  const inputDigest = createInputDigest(tokenKey);
  const installService = createInstallService({
    registry,
    installs,
    drafts,
    draftedOperation,
    inputDigest,
    workflows,
  });
  let draining = false;
  const requestBodies = createRequestBodies(config.bodies);
  const apps = createApps({
    logger,
    apiKeys,
    callFacts: createCallFacts({ hydration, apiKeys }, notifications),
    tenants: createTenantStore(db),
    publishers: createPublisherStore(db),
    trust: createTrustStore(db, config.trustBundle),
    versionTrust: createVersionTrustStore(db),
    uploads: createUploadStore(db),
    registry,
    signatures: createSignatureStore(db),
    installs,
    executions,
    artifacts: createArtifactStore(db),
    hydration,
    records: createStorageRecordStore(hostDb),
    storage: createStorageExportStore(hostDb),
    objects: createObjectStore(config.objects),
    keys: createObjectKeys(config.objects.base),
    workflows,
    changes,
    installService,
    inputDigest,
    installLifecycle: createInstallLifecycle({ service: installService, installs, workflows }),
    settingsOfPending: createPendingSettings({ registry, installs, drafts, sealSecrets, workflows }),
    versionChanges: createVersionChanges({
      service: installService,
      registry,
      kept: createVersionChangeStore(db),
      draftedOperation,
      onceSettled: createOnceSettled(installs),
      inputDigest,
      workflows,
    }),
    executor,
    callShares: given.callShares ?? createCallShares(concurrency),
    callOrigins: config.callOrigins,
    requestBodies,
    runners,
    credentials: config.credentials,
    executionTokens,
    hostGrants: createHostGrantStore(hostDb),
    ...connections,
    secretsKeyId,
    runnerPublicBase: config.runnerPublicBase,
    temporalUi: { ...config.temporalUi, codec: createPayloadCodec(config.temporal.codecKeys) },
    maxTimeoutMs: config.executionTimeoutMs,
    isDraining: () => draining,
    checkDatabase: async () => {
      await db.raw('select 1');
    },
  });
  const publicServer = createHttpServer(apps.public, {
    requestTimeout: REQUEST_TIMEOUT_MS,
    continuesLater: isCall,
  });
  const internalServer = createHttpServer(apps.internal);

  return {
    async listen() {
      const internalPort = await internalServer.listen(config.internal);
      return { port: await publicServer.listen(config), internalPort };
    },
    async close() {
      draining = true;
      await delay(config.drainNoticeMs);
      requestBodies.drain();
      await notifications.close(); // who waits is answered with what there is
      // The internal listener after every execution: until its end a guest's storage and secrets are behind it.
      await publicServer.close(config.executionTimeoutMs + DRAIN_MS);
      await executor.drain();
      await internalServer.close(INTERNAL_DRAIN_MS);
      await Promise.all([runners.close(), connections.close()]);
      await temporal.close();
      await Promise.all([db, hostDb, executionsDb].map((each) => each.destroy()));
    },
  };
}
