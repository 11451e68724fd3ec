import type { GatewayConfig } from '../platform/config/gateway.ts';
import { createApiKeyStore } from '../platform/db/api-keys.ts';
import { openDatabase } from '../platform/db/database.ts';
import { createArtifactStore } from '../platform/db/artifacts.ts';
import { createExecutionStore } from '../platform/db/executions.ts';
import { createHydrationStore } from '../platform/db/hydration.ts';
import { createInstallDraftStore } from '../platform/db/install-drafts.ts';
import { createInstallStore } from '../platform/db/installs.ts';
import { createRegistryStore } from '../platform/db/registry.ts';
import { listenForRowChanges } from '../platform/db/row-changes.ts';
import { createStorageExportStore } from '../platform/db/storage-export.ts';
import { createStorageRecordStore } from '../platform/db/storage-records.ts';
import { createTenantStore } from '../platform/db/tenants.ts';
import { createUploadStore } from '../platform/db/uploads.ts';
import { createVersionChangeStore } from '../platform/db/version-changes.ts';
import { createHttpServer } from '../platform/http/http-server.ts';
import type { Logger } from '../platform/logger.ts';
import { createObjectStore } from '../platform/objects/create-object-store.ts';
import { createObjectKeys } from '../platform/objects/keys.ts';
import { secretsKeyId as keyIdOf } from '../platform/secrets/sealing-suite.ts';
import { connectTemporal } from '../platform/temporal/client.ts';
import { createPayloadCodec } from '../platform/temporal/payload-codec.ts';
import { readPrivateKey } from '../platform/tokens/ed25519.ts';
import { createApps, type AppDeps } from './app.ts';
import { createCallShares } from './execution/call-shares.ts';
import { createExecutionTokens } from './execution/execution-tokens.ts';
import { createExecutor } from './execution/executor.ts';
import { createSingleRunner } from './execution/runners.ts';
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

/** On shutdown requests under way have the longest execution's time to end, and this much more. */
const DRAIN_MS = 10_000;
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
  });
  const changes = listenForRowChanges({ url: config.database.url, logger });
  const temporal = connectTemporal(config.temporal);
  const runners = given.runners ?? createSingleRunner(config.runner, logger);
  const tokenKey = readPrivateKey(config.executionTokenKeys.current.reveal());
  const { previous } = config.executionTokenKeys;
  const executionTokens = createExecutionTokens(tokenKey, previous && readPrivateKey(previous.reveal()));
  const { secretsPublicKey } = config;
  const secretsKeyId = keyIdOf(secretsPublicKey);

  const registry = createRegistryStore(db);
  const installs = createInstallStore(db);
  const drafts = createInstallDraftStore(db);
  const executions = createExecutionStore(db);
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
  const apps = createApps({
    logger,
    apiKeys: createApiKeyStore(db),
    tenants: createTenantStore(db),
    uploads: createUploadStore(db),
    registry,
    installs,
    executions,
    artifacts: createArtifactStore(db),
    hydration: createHydrationStore(db),
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
    runners,
    credentials: config.credentials,
    executionTokens,
    secretsKeyId,
    runnerPublicBase: config.runner.publicBase,
    temporalUi: { ...config.temporalUi, codec: createPayloadCodec(config.temporal.codecKeys) },
    maxTimeoutMs: config.executionTimeoutMs,
    checkDatabase: async () => {
      await db.raw('select 1');
    },
  });
  const publicServer = createHttpServer(apps.public, { requestTimeout: REQUEST_TIMEOUT_MS });
  const internalServer = createHttpServer(apps.internal);

  return {
    async listen() {
      const internalPort = await internalServer.listen(config.internal);
      return { port: await publicServer.listen(config), internalPort };
    },
    async close() {
      await changes.close(); // who waits is answered with what there is
      // The internal listener after every execution: until its end a guest's storage and secrets are behind it.
      await publicServer.close(config.executionTimeoutMs + DRAIN_MS);
      await executor.drain();
      await internalServer.close(INTERNAL_DRAIN_MS);
      await runners.close();
      await temporal.close();
      await Promise.all([db.destroy(), hostDb.destroy()]);
    },
  };
}
