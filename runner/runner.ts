import { basename, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { RunnerConfig } from '../platform/config/runner.ts';
import { ACCEPTED_ARTIFACT_TARGETS, ARTIFACT_TARGET } from '../core/artifact-target.ts';
import { ENFORCED_LIMITS } from '../core/execute.ts';
import { DEFAULT_BUNDLE_LIMITS } from '../core/tar/limits.ts';
import { createBoundedTurns } from '../platform/bounded-turns.ts';
import { createEgress } from '../platform/egress/egress.ts';
import type { Logger } from '../platform/logger.ts';
import { createObjectStore } from '../platform/objects/create-object-store.ts';
import { createObjectKeys } from '../platform/objects/keys.ts';
import { readPublicKey } from '../platform/tokens/ed25519.ts';
import { SERVED_CAPABILITIES } from './capabilities/index.ts';
import { createArtifactRequests } from './cache/artifact-requests.ts';
import { createBundleCache } from './cache/bundle-cache.ts';
import { createCheckBundleTrust } from './cache/bundle-trust.ts';
import { newFolderOfRun, openDiskCache } from './cache/disk-cache.ts';
import { createExecuteHandler } from './http/execute.ts';
import { createGatewayRequests } from './http/gateway-requests.ts';
import { createGatewayClient } from './gateway-client.ts';
import { createRunnerMetrics } from './metrics.ts';
import { createStackMapper } from './errors/map-stack.ts';
import { createReadSourceMaps } from './errors/source-maps.ts';
import { createConcurrency } from './execution/concurrency.ts';
import { createGuestLogs } from './execution/guest-log.ts';
import { createRunExecution } from './execution/run-execution.ts';
import { createSandboxPool } from './sandbox/pool.ts';
import { prepareSandboxProgram } from './sandbox/program.ts';
import { chooseIsolation } from './sandbox/isolation.ts';
import { createSandbox } from './sandbox/sandbox.ts';
import { standingWalls } from './sandbox/walls.ts';
import { createPrivateServer } from './http/server.ts';
import { deriveListingKey } from './assets/ui-listing.ts';
import { createUiProcess } from './assets/ui-process.ts';
import { createStoreHealth } from './http/store-health.ts';
import { createWarmHandler } from './http/warm.ts';

/** Executions under way get this long when the runner stops: to begin, and a gateway's longest unless an operator made it longer. */
const DRAIN_MS = 36_000;
const CLOSE_MS = 2_000;
const PROBE_MS = 5_000;
const MIB = 1024 * 1024;
/** The folder of UIs in the cache. */
const UI_CACHE = 'ui';
/** The hash of none. */
const NO_BUNDLE = `sha256:${'0'.repeat(64)}`;

export interface Runner {
  /** Listens on both ports; answers the ports in use, where its objects are, and which walls stand. */
  start(): Promise<{
    port: number;
    uiPort: number;
    objects: string;
    walls: Record<string, string>;
    bounds: Record<string, number | string>;
  }>;
  /** Takes nothing new, finishes what runs, stops every sandbox; says once it listens no more. */
  close(over?: () => void): Promise<void>;
}

/**
 * Tries which isolation its sandboxes get, starts the spare ones, and builds the runner on its cache once it may `begin`: until then another
 * may work with that. Gateway and object store may be away.
 */
export async function createRunner(
  config: RunnerConfig,
  logger: Logger,
  begin: () => Promise<void> = () => Promise.resolve(),
): Promise<Runner> {
  let ownFolder = '';
  const program = await prepareSandboxProgram(async () => {
    ownFolder = await newFolderOfRun(config.cache.folder);
    return ownFolder;
  }, logger);
  const chosen = await chooseIsolation(config.sandbox.isolation, { program });
  if (chosen.without !== undefined) {
    logger.warn(
      { without: chosen.without },
      'sandboxes stand without namespaces and without a filter of system calls',
    );
  }
  const metrics = createRunnerMetrics();
  const { countEnd, countHostCall, countUnload } = metrics;
  const pool = createSandboxPool(config.sandbox, {
    createSandbox: () => createSandbox(logger, chosen.isolation, { program: program(), countUnload }),
    countEnd,
    logger,
  });
  metrics.watchPool(pool);
  pool.start();
  await begin();
  const maxBytes = Math.floor(config.cache.maxBytes / 2); // each of the two processes keeps to its half
  const disk = await openDiskCache({
    folder: config.cache.folder,
    maxBytes,
    except: [UI_CACHE, basename(ownFolder)],
    logger,
  });
  const objects = createObjectStore(config.objects);
  const gateway = createGatewayClient(config.gateway, logger);
  const keys = createObjectKeys(config.objects.base);
  const stored = { objects, keys, disk, bundleLimits: DEFAULT_BUNDLE_LIMITS, logger };
  const bundles = createBundleCache({
    ...stored,
    countLookup: metrics.countLookup,
    checkTrust: createCheckBundleTrust({
      ask: (contentHash) => gateway.bundleTrust(contentHash),
      own: config.trustBundle,
      objects,
      keys,
    }),
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
  const concurrency = createConcurrency(config.concurrency);
  const egress = createEgress(config.egress);
  if (config.egress.unsafeCidrs.length > 0) {
    logger.warn(
      { unsafeCidrs: config.egress.unsafeCidrs },
      'EXT_EGRESS_UNSAFE_CIDRS is set: extensions reach what listens in these private ranges',
    );
  }
  const { countEgress, guests: guestMetrics } = metrics;
  const { secretsKey } = config;
  const capabilities = { hostApi: gateway, egress, countEgress, guestMetrics, secretsKey, now: Date.now };
  const guestLogs = createGuestLogs({ logger, bytesPerMinute: config.guestLogBytesPerMinute });
  const stacks = createStackMapper({
    readMaps: createReadSourceMaps({ objects, keys, bundleLimits: DEFAULT_BUNDLE_LIMITS }),
    logger,
  });
  const runExecution = metrics.measured(
    createRunExecution({
      pool,
      concurrency,
      scope: config.sandboxScope,
      bundles,
      capabilities,
      guestLogs,
      stacks,
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
  const { logLevel, logFormat } = config;
  const uiProcess = createUiProcess(
    {
      ...{
        logLevel,
        logFormat,
        listen: config.ui,
        environment: config.ui.environment,
        gateway: config.gateway,
        objects: config.objects,
      },
      cache: { folder: join(config.cache.folder, UI_CACHE), maxBytes },
      listingKey: deriveListingKey(config.serviceToken),
    },
    { logger, countLookup: metrics.countLookup },
  );

  return {
    async start() {
      const port = await privateServer.listen(config);
      const uiPort = await uiProcess.start();
      const { max, tenantMax, memoryBytes, tenantMemoryBytes } = config.sandbox;
      const bounds = {
        ...{ scope: config.sandboxScope, sandboxes: max, sandboxesOfTenant: tenantMax },
        egress: config.egress.allowlist?.join(', ') ?? 'as granted',
        ...{ memoryMb: Math.floor(memoryBytes / MIB), memoryMbOfTenant: Math.floor(tenantMemoryBytes / MIB) },
      };
      return { port, uiPort, objects: objects.describe(), walls: standingWalls(chosen), bounds };
    },
    async close(over = () => undefined) {
      draining = true;
      await delay(config.drainNoticeMs); // gateways that have others send it nothing more by then
      const closed = Promise.all([privateServer.close(DRAIN_MS + CLOSE_MS), uiProcess.close(CLOSE_MS)]);
      over();
      await pool.close(DRAIN_MS);
      await closed;
      guestLogs.close();
      egress.close();
      await stacks.close();
      await gateway.close();
    },
  };
}
