import { Router } from 'express';
import type { HydrationStore } from '../../platform/db/hydration.ts';
import type { StorageRecordStore } from '../../platform/db/storage-records.ts';
import type { Executor } from '../execution/executor.ts';
import type { Runners } from '../execution/runners.ts';
import { createBundleTrustRouter, type BundleTrustDeps } from './bundle-trust.ts';
import { createInternalExecutionsRouter } from './executions.ts';
import { createHostApplicationRouter, type HostApplication } from './host-application.ts';
import { createHostStorageRouter } from './host-storage.ts';
import { createStorageCalls } from './host-storage-calls.ts';
import { createHostStorageV2Router } from './host-storage-v2.ts';
import { createUiProxyRouter, type UiProxyDeps } from './host-ui-proxy.ts';
import { createInstallConfigRouter } from './install-config.ts';
import { createPrecompileRouter, type PrecompileDeps } from './precompile.ts';
import { requireService, type ServiceCredentials } from './service-credential.ts';
import { createUiInstallsRouter } from './ui-installs.ts';

export interface InternalRouterDeps extends PrecompileDeps, UiProxyDeps, BundleTrustDeps {
  hostApplication: HostApplication | undefined;
  credentials: ServiceCredentials;
  hydration: HydrationStore;
  records: StorageRecordStore;
  executor: Executor;
  runners: Runners;
  secretsKeyId: string;
  maxTimeoutMs: number;
}

/** What our own processes ask. A runner's credential opens host APIs, questions about UIs and requests for artifacts, a worker's the rest. */
export function createInternalRouter(deps: InternalRouterDeps): Router {
  const { credentials } = deps;
  const runner = requireService(credentials, 'runner');
  const worker = requireService(credentials, 'worker');
  const router = Router();
  const calls = createStorageCalls(deps.records);
  router.use('/host/storage', runner, createHostStorageRouter({ ...deps, calls }));
  router.use('/host/storage-v2', runner, createHostStorageV2Router({ ...deps, calls }));
  router.use('/host/ui-proxy', runner, createUiProxyRouter(deps));
  router.use('/host', runner, createHostApplicationRouter(deps));
  router.use('/runner/ui-installs', runner, createUiInstallsRouter(deps));
  router.use('/runner/trust', runner, createBundleTrustRouter(deps));
  router.use('/runner/precompile', runner, createPrecompileRouter(deps));
  router.use('/executions', worker, createInternalExecutionsRouter(deps));
  router.use('/ext-runner/install-config', worker, createInstallConfigRouter(deps));
  return router;
}
