import { createPublicKey } from 'node:crypto';
import type { GatewayConfig } from '../platform/config/gateway.ts';
import { createApiKeyStore } from '../platform/db/api-keys.ts';
import { openDatabase } from '../platform/db/database.ts';
import { createExecutionStore } from '../platform/db/executions.ts';
import { createHydrationStore } from '../platform/db/hydration.ts';
import { createInstallDraftStore } from '../platform/db/install-drafts.ts';
import { createInstallStore } from '../platform/db/installs.ts';
import { createRegistryStore } from '../platform/db/registry.ts';
import { createStorageRecordStore } from '../platform/db/storage-records.ts';
import { createTenantStore } from '../platform/db/tenants.ts';
import { createUploadStore } from '../platform/db/uploads.ts';
import { createHttpServer } from '../platform/http/http-server.ts';
import type { Logger } from '../platform/logger.ts';
import { createObjectStore } from '../platform/objects/create-object-store.ts';
import { createObjectKeys } from '../platform/objects/keys.ts';
import { secretsKeyId as keyIdOf } from '../platform/secrets/sealing-suite.ts';
import { connectTemporal } from '../platform/temporal/client.ts';
import { readPrivateKey } from '../platform/tokens/ed25519.ts';
import { createApp } from './app.ts';
import { createExecutor } from './execution/executor.ts';
import { createSingleRunner } from './execution/runners.ts';
import { createDraftSettings } from './installs/draft-settings.ts';
import { createInputDigest } from './installs/input-digest.ts';
import { createInstallService } from './installs/install-service.ts';
import { createWorkflowStarter } from './workflow-starter.ts';

/** A large bundle over a slow line takes its time. */
const REQUEST_TIMEOUT_MS = 30 * 60_000;

/** How long requests under way have to end on shutdown: the longest execution, and a little more. */
const DRAIN_MS = 40_000;

export interface Gateway {
  /** Answers the port, which the system chose if the configured one is 0. */
  listen(): Promise<number>;
  /** Takes no new requests, lets those under way end, then closes every connection. */
  close(): Promise<void>;
}

/** Opens connections and builds the gateway on them. Temporal and the runner may be away when it starts. */
export function createGateway(config: GatewayConfig, logger: Logger): Gateway {
  const db = openDatabase(config.database);
  const temporal = connectTemporal(config.temporal);
  const runners = createSingleRunner(config.runner);
  const tokenKey = readPrivateKey(config.executionTokenKey.reveal());
  const { secretsPublicKey } = config;
  const secretsKeyId = keyIdOf(secretsPublicKey);

  const registry = createRegistryStore(db);
  const installs = createInstallStore(db);
  const drafts = createInstallDraftStore(db);
  const executions = createExecutionStore(db);
  const workflows = createWorkflowStarter(temporal.client);
  const executor = createExecutor({ executions, runners, tokenKey, secretsKeyId, logger });
  const installService = createInstallService({
    registry,
    installs,
    draftSettings: createDraftSettings({ drafts, secretsPublicKey, secretsKeyId }),
    inputDigest: createInputDigest(tokenKey),
    workflows,
  });
  const app = createApp({
    logger,
    apiKeys: createApiKeyStore(db),
    tenants: createTenantStore(db),
    uploads: createUploadStore(db),
    registry,
    installs,
    executions,
    hydration: createHydrationStore(db),
    records: createStorageRecordStore(db),
    objects: createObjectStore(config.objects),
    keys: createObjectKeys(config.objects.base),
    workflows,
    installService,
    executor,
    runners,
    credentials: config.credentials,
    tokenPublicKey: createPublicKey(tokenKey),
    secretsKeyId,
    runnerPublicBase: config.runner.publicBase,
    maxTimeoutMs: config.executionTimeoutMs,
    checkDatabase: async () => {
      await db.raw('select 1');
    },
  });
  const server = createHttpServer(app, { requestTimeout: REQUEST_TIMEOUT_MS });

  return {
    listen: () => server.listen(config),
    async close() {
      await server.close(DRAIN_MS);
      await executor.drain();
      await runners.close();
      await temporal.close();
      await db.destroy();
    },
  };
}
