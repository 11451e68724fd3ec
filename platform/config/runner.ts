import { availableParallelism, totalmem } from 'node:os';
import { z } from 'zod';
import type { TrustBundle } from '../../core/trust.ts';
import type { SecretValue } from '../../core/secret-value.ts';
import {
  addressList,
  cidrList,
  credential,
  drainNoticeMs,
  egressAllowlist,
  installConcurrency,
  installConcurrencyOf,
  keySecret,
  listenFd,
  loadObjectStoreConfig,
  logging,
  parseEnvironment,
  port,
  publicKey,
  publicKeyList,
  tenantConcurrency,
  type Environment,
  type ObjectStoreConfig,
} from './environment.ts';
import { signingTrustBundle } from './trust-bundle.ts';
import type { EgressConfig } from '../egress/egress.ts';
import type { ListenAddress } from '../http/http-server.ts';
import type { LogFormat } from '../logger.ts';

const MIB = 1024 ** 2;

/** What the runner reads. It has no database and no Temporal. */
export const runnerEnv = z.object({
  ...logging.shape,
  RUNNER_HOST: z.string().default('127.0.0.1'),
  RUNNER_PORT: port.default(8090),
  /** Where browsers load extension UIs from. */
  RUNNER_UI_HOST: z.string().default('127.0.0.1'),
  RUNNER_UI_PORT: port.default(8091),
  /** Sockets to listen on in place of those, for whoever keeps them open while runners come and go. */
  RUNNER_LISTEN_FD: listenFd,
  RUNNER_UI_LISTEN_FD: listenFd,
  /** Whether who started it says over IPC when it begins to listen and when it ends, so that its successor is prepared beside it. */
  RUNNER_TAKES_TURNS: z.stringbool().default(false),
  DRAIN_NOTICE_MS: drainNoticeMs,
  /** This runner's private address, as the gateway knows it: requests must be sealed for it. */
  RUNNER_BASE_URL: z.url(),
  GATEWAY_BASE_URL: z.url(),
  /** What gateways seal requests to this runner with, and what it presents to them. */
  RUNNER_SERVICE_TOKEN: credential,
  RUNNER_GATEWAY_TOKEN: credential,
  /** What reads /metrics; unset, nobody does. */
  RUNNER_METRICS_TOKEN: credential.optional(),
  /** Ed25519 public keys, base64 of SPKI DER. The first only while there are gateways of releases that seal no requests. */
  EXECUTION_TOKEN_PUBLIC_KEY: publicKey.optional(),
  ARTIFACT_SIGNING_PUBLIC_KEY: publicKey,
  ARTIFACT_SIGNING_PREVIOUS_PUBLIC_KEYS: publicKeyList,
  /** X25519 private key that opens sealed secrets: base64 of the 32 bytes. */
  SECRETS_PRIVATE_KEY: keySecret,
  SIGNING_TRUST_BUNDLE: signingTrustBundle,
  RUNNER_CACHE_DIR: z.string().min(1),
  RUNNER_CACHE_MAX_BYTES: z.coerce
    .number()
    .int()
    .min(0)
    .default(2 * 1024 ** 3),
  /** `auto`: bubblewrap where it works, and else the process alone. Demanded unless told otherwise. */
  SANDBOX_ISOLATION: z.enum(['auto', 'bubblewrap', 'process']).default('bubblewrap'),
  /** Sandbox processes started ahead, bound to no tenant yet. */
  SANDBOX_SPARES: z.coerce.number().int().min(0).max(16).default(1),
  /** Sandbox processes at most, spares included. */
  SANDBOX_MAX: z.coerce.number().int().min(1).default(64),
  /** Sandbox processes of one tenant at most; unset, as many as there are cores, and at least two, or sixteen under scope `install`. */
  SANDBOX_TENANT_MAX: z.coerce.number().int().min(2).optional(),
  /** Whether the extensions of one tenant share its processes, or each has its own. */
  SANDBOX_SCOPE: z.enum(['tenant', 'install']).default('tenant'),
  /** A sandbox process without work ends after this. */
  SANDBOX_IDLE_SECONDS: z.coerce.number().int().min(1).default(300),
  /** What all sandboxes and what runs in them may take; unset, three quarters of a cgroup's limit, or half of the machine. */
  RUNNER_MEMORY_MB: z.coerce.number().int().min(256).optional(),
  /** The same of one tenant; unset, half of that. */
  RUNNER_TENANT_MEMORY_MB: z.coerce.number().int().min(256).optional(),
  /** Executions and warm-ups that wait for a sandbox at most. */
  RUNNER_MAX_WAITING: z.coerce.number().int().min(0).default(512),
  RUNNER_TENANT_CONCURRENCY: tenantConcurrency,
  RUNNER_INSTALL_CONCURRENCY: installConcurrency,
  /** Of the lines of one tenant's guests in this runner's log. */
  RUNNER_GUEST_LOG_BYTES_PER_MINUTE: z.coerce
    .number()
    .int()
    .min(0)
    .default(1024 ** 2),
  /** What no grant of http.fetch goes beyond. */
  EXT_EGRESS_ALLOWLIST: egressAllowlist,
  /** Ranges that guests may call though they are not public: whatever listens there has to do without the trust in its network. */
  EXT_EGRESS_UNSAFE_CIDRS: cidrList,
  /** Asked for the hosts that guests call; unset, the system's. */
  EXT_EGRESS_DNS_SERVERS: addressList,
});

/** Requests of guests to other systems at once, of all tenants. */
const EGRESS_CONCURRENCY = 512;

export interface RunnerConfig {
  logLevel: string;
  logFormat?: LogFormat | undefined;
  /** The private listener. */
  host: string;
  port: number;
  fd?: number | undefined;
  /** The public listener, with what of the environment its connections go by. */
  ui: ListenAddress & { environment: Record<string, string> };
  takesTurns: boolean;
  drainNoticeMs: number;
  baseUrl: string;
  gateway: { baseUrl: string; token: SecretValue };
  serviceToken: SecretValue;
  metricsToken?: SecretValue | undefined;
  /** Checks the execution tokens of gateways that seal no requests; undefined: those are not served. */
  olderGatewaysKey?: string | undefined;
  artifactKeys: { current: string; previous: string[] };
  secretsKey: SecretValue;
  trustBundle?: TrustBundle | undefined;
  objects: ObjectStoreConfig;
  cache: { folder: string; maxBytes: number };
  sandbox: {
    isolation: 'auto' | 'bubblewrap' | 'process';
    spares: number;
    max: number;
    tenantMax: number;
    memoryBytes: number;
    tenantMemoryBytes: number;
    maxWaiting: number;
    idleMs: number;
  };
  sandboxScope: 'tenant' | 'install';
  concurrency: { tenant: number; install: number };
  guestLogBytesPerMinute: number;
  egress: EgressConfig;
}

/** What Node and OpenSSL read of certificates when they connect; no setting of ours. */
const CONNECTION_VARIABLES = ['NODE_EXTRA_CA_CERTS', 'NODE_USE_SYSTEM_CA', 'SSL_CERT_FILE', 'SSL_CERT_DIR'];

function connectionEnvironment(env: Environment): Record<string, string> {
  return Object.fromEntries(
    CONNECTION_VARIABLES.flatMap((name) => (env[name] === undefined ? [] : [[name, env[name]]])),
  );
}

export function loadRunnerConfig(env: Environment): RunnerConfig {
  const v = parseEnvironment(runnerEnv, env);
  const memoryBytes = v.RUNNER_MEMORY_MB === undefined ? defaultMemoryBytes() : v.RUNNER_MEMORY_MB * MIB;
  return {
    logLevel: v.LOG_LEVEL,
    logFormat: v.LOG_FORMAT,
    host: v.RUNNER_HOST,
    port: v.RUNNER_PORT,
    fd: v.RUNNER_LISTEN_FD,
    ui: {
      host: v.RUNNER_UI_HOST,
      port: v.RUNNER_UI_PORT,
      fd: v.RUNNER_UI_LISTEN_FD,
      environment: connectionEnvironment(env),
    },
    takesTurns: v.RUNNER_TAKES_TURNS,
    drainNoticeMs: v.DRAIN_NOTICE_MS,
    baseUrl: v.RUNNER_BASE_URL,
    gateway: { baseUrl: v.GATEWAY_BASE_URL, token: v.RUNNER_GATEWAY_TOKEN },
    serviceToken: v.RUNNER_SERVICE_TOKEN,
    metricsToken: v.RUNNER_METRICS_TOKEN,
    olderGatewaysKey: v.EXECUTION_TOKEN_PUBLIC_KEY,
    artifactKeys: {
      current: v.ARTIFACT_SIGNING_PUBLIC_KEY,
      previous: v.ARTIFACT_SIGNING_PREVIOUS_PUBLIC_KEYS,
    },
    secretsKey: v.SECRETS_PRIVATE_KEY,
    trustBundle: v.SIGNING_TRUST_BUNDLE,
    objects: loadObjectStoreConfig(env),
    cache: { folder: v.RUNNER_CACHE_DIR, maxBytes: v.RUNNER_CACHE_MAX_BYTES },
    sandbox: {
      isolation: v.SANDBOX_ISOLATION,
      spares: v.SANDBOX_SPARES,
      max: v.SANDBOX_MAX,
      tenantMax:
        v.SANDBOX_TENANT_MAX ?? Math.max(availableParallelism(), v.SANDBOX_SCOPE === 'tenant' ? 2 : 16),
      memoryBytes,
      tenantMemoryBytes:
        v.RUNNER_TENANT_MEMORY_MB === undefined
          ? memoryBytes / 2
          : Math.min(memoryBytes, v.RUNNER_TENANT_MEMORY_MB * MIB),
      maxWaiting: v.RUNNER_MAX_WAITING,
      idleMs: v.SANDBOX_IDLE_SECONDS * 1_000,
    },
    sandboxScope: v.SANDBOX_SCOPE,
    concurrency: {
      tenant: v.RUNNER_TENANT_CONCURRENCY,
      install: installConcurrencyOf(v.RUNNER_INSTALL_CONCURRENCY, v.RUNNER_TENANT_CONCURRENCY),
    },
    guestLogBytesPerMinute: v.RUNNER_GUEST_LOG_BYTES_PER_MINUTE,
    egress: {
      allowlist: v.EXT_EGRESS_ALLOWLIST,
      unsafeCidrs: v.EXT_EGRESS_UNSAFE_CIDRS,
      dnsServers: v.EXT_EGRESS_DNS_SERVERS,
      concurrency: { tenant: v.RUNNER_TENANT_CONCURRENCY, all: EGRESS_CONCURRENCY },
    },
  };
}

/** The rest is for the supervisor and for whatever else is on the machine: in a container of the runner's own, that is little. */
/** Of one that is alone on its machine. */
export function defaultMemoryBytes(): number {
  const constrained = process.constrainedMemory(); // no less than the machine has, or 0, where there is no limit
  const isConstrained = constrained > 0 && constrained < totalmem();
  return isConstrained ? constrained * 0.75 : totalmem() / 2;
}
