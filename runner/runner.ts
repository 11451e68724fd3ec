import type { RunnerConfig } from '../platform/config/runner.ts';
import { ACCEPTED_ARTIFACT_TARGETS, ARTIFACT_TARGET } from '../core/artifact-target.ts';
import { ENFORCED_LIMITS } from '../core/execute.ts';
import { DEFAULT_BUNDLE_LIMITS } from '../core/tar/limits.ts';
import { createBoundedTurns } from '../platform/bounded-turns.ts';
import { createHttpServer } from '../platform/http/http-server.ts';
import type { Logger } from '../platform/logger.ts';
import { createObjectStore } from '../platform/objects/create-object-store.ts';
import { createObjectKeys } from '../platform/objects/keys.ts';
import { readPublicKey } from '../platform/tokens/ed25519.ts';
import { SERVED_CAPABILITIES } from './capabilities/index.ts';
import { createArtifactRequests } from './cache/artifact-requests.ts';
import { createBundleCache } from './cache/bundle-cache.ts';
import { openDiskCache } from './cache/disk-cache.ts';
import { createUiFiles } from './cache/ui-files.ts';
import { deriveListingKey } from './cache/ui-listing.ts';
import { createExecuteHandler } from './http/execute.ts';
import { createGatewayRequests } from './http/gateway-requests.ts';
import { createGatewayClient } from './gateway-client.ts';
import { createRunnerMetrics } from './metrics.ts';
import { createConcurrency } from './execution/concurrency.ts';
import { createGuestLogs } from './execution/guest-log.ts';
import { createRunExecution } from './execution/run-execution.ts';
import { createSandboxPool } from './sandbox/pool.ts';
import { prepareSandboxProgram } from './sandbox/program.ts';
import { chooseIsolation } from './sandbox/isolation.ts';
import { createSandbox } from './sandbox/sandbox.ts';
import { standingWalls } from './sandbox/walls.ts';
import { createPrivateServer } from './http/server.ts';
import { createUiApp } from './assets/ui-server.ts';
import { createStoreHealth } from './http/store-health.ts';
import { createWarmHandler } from './http/warm.ts';

/** Executions under way get this long when the runner stops; longer than most deadlines, shorter than most orchestrators' patience. */
const DRAIN_MS = 20_000;
const CLOSE_MS = 2_000;
const PROBE_MS = 5_000;
const MIB = 1024 * 1024;
/** The hash of none. */
const NO_BUNDLE = `sha256:${'0'.repeat(64)}`;

export interface Runner {
  /** Listens on both ports and starts the spare sandboxes; answers the ports in use, where its objects are, and which walls stand. */
  start(): Promise<{
    port: number;
    uiPort: number;
    objects: string;
    walls: Record<string, string>;
    bounds: Record<string, number | string>;
  }>;
  /** Takes nothing new, finishes what runs, stops every sandbox. */
  close(): Promise<void>;
}

/** Opens its cache, tries which isolation its sandboxes get and builds the runner on it. Gateway and object store may be away when it starts. */
export async function createRunner(config: RunnerConfig, logger: Logger): Promise<Runner> {
  const disk = await openDiskCache({ ...config.cache, logger });
  const program = await prepareSandboxProgram(() => disk.folderOfThisRun(), logger);
  const chosen = await chooseIsolation(config.sandbox.isolation, { program });
  if (chosen.without !== undefined) {
    logger.warn(
      { without: chosen.without },
      'sandboxes stand without namespaces and without a filter of system calls',
    );
  }
  const objects = createObjectStore(config.objects);
  const gateway = createGatewayClient(config.gateway, logger);
  const keys = createObjectKeys(config.objects.base);
  const metrics = createRunnerMetrics();
  const stored = { objects, keys, disk, bundleLimits: DEFAULT_BUNDLE_LIMITS, logger };
  const bundles = createBundleCache({
    ...stored,
    countLookup: metrics.countLookup,
    artifactKeys: [
      readPublicKey(config.artifactKeys.current),
      ...config.artifactKeys.previous.map(readPublicKey),
    ],
    targets: ACCEPTED_ARTIFACT_TARGETS,
    askForArtifact: createArtifactRequests({
      requestPrecompile: (contentHash) => gateway.requestPrecompile(contentHash, ARTIFACT_TARGET),
      logger,
      now: () => performance.now(),
    }),
  });
  const uiFiles = createUiFiles({
    ...stored,
    countLookup: metrics.countLookup,
    listingKey: deriveListingKey(config.serviceToken),
    now: Date.now,
  });
  const { countEnd, countHostCall, countUnload } = metrics;
  const pool = createSandboxPool(config.sandbox, {
    createSandbox: () => createSandbox(logger, chosen.isolation, { program: program(), countUnload }),
    countEnd,
    logger,
  });
  const concurrency = createConcurrency(config.concurrency);
  const capabilities = { hostApi: gateway, secretsKey: config.secretsKey, now: Date.now };
  const guestLogs = createGuestLogs({ logger, bytesPerMinute: config.guestLogBytesPerMinute });
  metrics.watchPool(pool);
  const runExecution = metrics.measured(
    createRunExecution({
      pool,
      concurrency,
      scope: config.sandboxScope,
      bundles,
      capabilities,
      guestLogs,
      countHostCall,
      // Those that wait take places of their tenant's, which are for its other installs as well.
      turns: createBoundedTurns({ atOnce: 1, waiting: Math.ceil(config.concurrency.tenant / 4) }),
    }),
  );
  const store = createStoreHealth({
    // It need not be there: that it is not is an answer.
    probe: () =>
      objects.read(keys.artifact(NO_BUNDLE, ARTIFACT_TARGET), { signal: AbortSignal.timeout(PROBE_MS) }),
    now: () => performance.now(),
  });
  let draining = false;

  const { serviceToken, baseUrl: audience, olderGatewaysKey } = config;
  const olderTokenKey = olderGatewaysKey === undefined ? undefined : readPublicKey(olderGatewaysKey);
  if (olderTokenKey) {
    logger.warn(
      'EXECUTION_TOKEN_PUBLIC_KEY is set: gateways of older releases are served, and requests are not sealed',
    );
  }
  const olderGateways = olderTokenKey !== undefined;
  const privateServer = createPrivateServer({
    gatewayRequests: createGatewayRequests({ serviceToken, audience, olderGateways, now: Date.now }),
    execute: createExecuteHandler({
      runExecution,
      olderTokenKey,
      audience,
      logger,
      now: Date.now,
    }),
    warm: createWarmHandler({ pool, concurrency, bundles }),
    metrics: {
      token: config.metricsToken,
      read: async (_req, res) => {
        const text = await metrics.text();
        res.writeHead(200, { 'content-type': metrics.contentType }).end(text);
      },
    },
    unreadiness: () => (draining ? 'draining' : store.isAway() ? 'object store unavailable' : undefined),
    announcement: { limits: [...ENFORCED_LIMITS], capabilities: SERVED_CAPABILITIES },
    logger,
  });
  const uiServer = createHttpServer(createUiApp({ gateway, uiFiles, logger, now: Date.now }));

  return {
    async start() {
      const port = await privateServer.listen(config);
      const uiPort = await uiServer.listen(config.ui);
      pool.start();
      const { max, tenantMax, memoryBytes, tenantMemoryBytes } = config.sandbox;
      const bounds = {
        ...{ scope: config.sandboxScope, sandboxes: max, sandboxesOfTenant: tenantMax },
        ...{ memoryMb: Math.floor(memoryBytes / MIB), memoryMbOfTenant: Math.floor(tenantMemoryBytes / MIB) },
      };
      return { port, uiPort, objects: objects.describe(), walls: standingWalls(chosen), bounds };
    },
    async close() {
      draining = true;
      const closed = Promise.all([privateServer.close(DRAIN_MS + CLOSE_MS), uiServer.close(CLOSE_MS)]);
      await pool.close(DRAIN_MS);
      await closed;
      guestLogs.close();
      await gateway.close();
    },
  };
}
