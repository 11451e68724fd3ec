import { z } from 'zod';
import { PlatformError } from '../../core/errors.ts';
import { MAX_REQUEST_BODY_BYTES, MAX_TIMEOUT_MS } from '../../core/execute.ts';
import type { SecretValue } from '../../core/secret-value.ts';
import {
  baseUrl,
  capability,
  credential,
  database,
  databaseConfig,
  drainNoticeMs,
  keySecret,
  listenFd,
  loadObjectStoreConfig,
  logging,
  originList,
  parseEnvironment,
  port,
  publicKeyList,
  installConcurrency,
  installConcurrencyOf,
  tenantConcurrency,
  type DatabaseConfig,
  type Environment,
  type ObjectStoreConfig,
} from './environment.ts';
import { temporal, temporalConfig, type TemporalConfig } from './temporal.ts';
import type { ListenAddress } from '../http/http-server.ts';
import type { LogFormat } from '../logger.ts';
import type { TrustBundle } from '../../core/trust.ts';
import { signingTrustBundle } from './trust-bundle.ts';
import { runnerAddresses, runnerBaseUrls, type RunnerAddress } from './runner-addresses.ts';

const MIB = 1024 * 1024;
const bodyBytes = z.coerce.number().int().min(1024);
const hostTimeoutMs = z.coerce.number().int().min(100).max(MAX_TIMEOUT_MS);

/** What the gateway reads from its environment. */
export const gatewayEnv = z.object({
  ...logging.shape,
  ...database.shape,
  /** Connections for the host calls of guests, beside DATABASE_POOL_MAX. */
  DATABASE_HOST_POOL_MAX: z.coerce.number().int().min(1).default(10),
  ...temporal.shape,
  /** Pages that may read what the codec endpoint decodes: origins of the Temporal UI, separated by commas. */
  TEMPORAL_UI_ORIGINS: originList,
  /** Opens the codec endpoint of the internal listener to those pages without a key, on this machine alone. */
  TEMPORAL_CODEC_CAPABILITY: capability.optional(),
  GATEWAY_HOST: z.string().default('127.0.0.1'),
  GATEWAY_PORT: port.default(8080),
  /** Where runners and workers ask; nothing outside needs to reach it. */
  GATEWAY_INTERNAL_HOST: z.string().default('127.0.0.1'),
  GATEWAY_INTERNAL_PORT: port.default(8081),
  /** Sockets to listen on in place of those, for whoever keeps them open while gateways come and go. */
  GATEWAY_LISTEN_FD: listenFd,
  GATEWAY_INTERNAL_LISTEN_FD: listenFd,
  DRAIN_NOTICE_MS: drainNoticeMs,
  /** Private addresses of the runners, separated by commas; requests are sealed for the one they go to. */
  RUNNER_BASE_URL: runnerBaseUrls,
  /** Origin that browsers load extension UIs from. */
  RUNNER_PUBLIC_BASE: z.url(),
  /** Upper bound of one execution, milliseconds. */
  EXT_GATEWAY_TIMEOUT_MS: z.coerce.number().int().min(100).max(MAX_TIMEOUT_MS).default(30_000),
  /** Pages that may call extensions from a browser: origins, separated by commas. */
  EXT_GATEWAY_CORS_ORIGINS: originList,
  /** Of the body of one call, bytes. No runner takes more. */
  EXT_GATEWAY_BODY_BYTES: bodyBytes.max(MAX_REQUEST_BODY_BYTES).default(10 * MIB),
  /** Of the bodies of one tenant that a gateway holds at once, and of all. */
  EXT_GATEWAY_TENANT_BODY_BYTES: bodyBytes.default(64 * MIB),
  EXT_GATEWAY_ALL_BODY_BYTES: bodyBytes.default(256 * MIB),
  /** A body has so long to come, milliseconds. */
  EXT_GATEWAY_BODY_TIMEOUT_MS: z.coerce.number().int().min(100).max(MAX_TIMEOUT_MS).default(60_000),
  RUNNER_TENANT_CONCURRENCY: tenantConcurrency,
  RUNNER_INSTALL_CONCURRENCY: installConcurrency,
  EXECUTION_TOKEN_PRIVATE_KEY: keySecret,
  /** Tokens of gateways with this key are accepted too. */
  EXECUTION_TOKEN_PREVIOUS_PRIVATE_KEY: keySecret.optional(),
  RUNNER_SERVICE_TOKEN: credential,
  RUNNER_GATEWAY_TOKEN: credential,
  WORKER_GATEWAY_TOKEN: credential,
  /** The host application, which serves clients, services and invoices; unset, guests are denied them. */
  HOST_API_BASE_URL: baseUrl.optional(),
  HOST_API_TIMEOUT_MS: hostTimeoutMs.default(10_000),
  /** Where the routes are that guests may be granted by name; unset, they are denied them. */
  UI_PROXY_BASE_URL: baseUrl.optional(),
  UI_PROXY_TIMEOUT_MS: hostTimeoutMs.default(5_000),
  /** What those routes are shown, beside the token. */
  UI_PROXY_AUTH_KEY: credential.optional(),
  /** Signs what either is told of who asks; needed with either. */
  HOST_TOKEN_PRIVATE_KEY: keySecret.optional(),
  /** Published beside its public half: the key after it, or the one before. */
  HOST_TOKEN_OTHER_PUBLIC_KEYS: publicKeyList,
  /** Public half of the key that secrets are sealed to: base64 of the 32 bytes. */
  SECRETS_PUBLIC_KEY: z.base64(),
  SIGNING_TRUST_BUNDLE: signingTrustBundle,
});

export interface GatewayConfig {
  logLevel: string;
  logFormat?: LogFormat | undefined;
  /** The public listener. */
  host: string;
  port: number;
  fd?: number | undefined;
  internal: ListenAddress;
  drainNoticeMs: number;
  database: DatabaseConfig;
  hostPoolMax: number;
  temporal: TemporalConfig;
  temporalUi: { origins: string[]; capability?: SecretValue | undefined };
  objects: ObjectStoreConfig;
  runners: RunnerAddress[];
  runnerPublicBase: string;
  executionTimeoutMs: number;
  callOrigins: string[];
  bodies: { bytes: number; tenantBytes: number; processBytes: number; timeoutMs: number };
  tenantConcurrency: number;
  installConcurrency: number;
  executionTokenKeys: { current: SecretValue; previous?: SecretValue | undefined };
  /** Credentials that callers of /api/internal present. */
  credentials: { runner: SecretValue; worker: SecretValue };
  secretsPublicKey: string;
  trustBundle?: TrustBundle | undefined;
  hostTokenKeys: { current?: SecretValue | undefined; otherPublic: string[] };
  hostApplication?: { baseUrl: string; timeoutMs: number } | undefined;
  uiProxy?: { baseUrl: string; timeoutMs: number; authKey?: SecretValue | undefined } | undefined;
}

export function loadGatewayConfig(env: Environment): GatewayConfig {
  const v = parseEnvironment(gatewayEnv, env);
  if (Math.min(v.EXT_GATEWAY_TENANT_BODY_BYTES, v.EXT_GATEWAY_ALL_BODY_BYTES) < v.EXT_GATEWAY_BODY_BYTES) {
    throw new PlatformError(
      'CONFIG_INVALID',
      'EXT_GATEWAY_TENANT_BODY_BYTES and EXT_GATEWAY_ALL_BODY_BYTES must each have room for EXT_GATEWAY_BODY_BYTES',
    );
  }
  const { HOST_API_BASE_URL: hostUrl, UI_PROXY_BASE_URL: proxyUrl } = v;
  if ((hostUrl ?? proxyUrl) !== undefined && v.HOST_TOKEN_PRIVATE_KEY === undefined) {
    throw new PlatformError(
      'CONFIG_INVALID',
      `${hostUrl === undefined ? 'UI_PROXY' : 'HOST_API'}_BASE_URL needs HOST_TOKEN_PRIVATE_KEY beside it`,
    );
  }
  return {
    logLevel: v.LOG_LEVEL,
    logFormat: v.LOG_FORMAT,
    host: v.GATEWAY_HOST,
    port: v.GATEWAY_PORT,
    fd: v.GATEWAY_LISTEN_FD,
    internal: {
      host: v.GATEWAY_INTERNAL_HOST,
      port: v.GATEWAY_INTERNAL_PORT,
      fd: v.GATEWAY_INTERNAL_LISTEN_FD,
    },
    drainNoticeMs: v.DRAIN_NOTICE_MS,
    database: databaseConfig(v),
    hostPoolMax: v.DATABASE_HOST_POOL_MAX,
    temporal: temporalConfig(v),
    temporalUi: { origins: v.TEMPORAL_UI_ORIGINS, capability: v.TEMPORAL_CODEC_CAPABILITY },
    objects: loadObjectStoreConfig(env),
    runners: runnerAddresses(v.RUNNER_BASE_URL, v.RUNNER_SERVICE_TOKEN),
    runnerPublicBase: v.RUNNER_PUBLIC_BASE,
    executionTimeoutMs: v.EXT_GATEWAY_TIMEOUT_MS,
    callOrigins: v.EXT_GATEWAY_CORS_ORIGINS,
    bodies: {
      bytes: v.EXT_GATEWAY_BODY_BYTES,
      tenantBytes: v.EXT_GATEWAY_TENANT_BODY_BYTES,
      processBytes: v.EXT_GATEWAY_ALL_BODY_BYTES,
      timeoutMs: v.EXT_GATEWAY_BODY_TIMEOUT_MS,
    },
    tenantConcurrency: v.RUNNER_TENANT_CONCURRENCY,
    installConcurrency: installConcurrencyOf(v.RUNNER_INSTALL_CONCURRENCY, v.RUNNER_TENANT_CONCURRENCY),
    executionTokenKeys: {
      current: v.EXECUTION_TOKEN_PRIVATE_KEY,
      previous: v.EXECUTION_TOKEN_PREVIOUS_PRIVATE_KEY,
    },
    credentials: { runner: v.RUNNER_GATEWAY_TOKEN, worker: v.WORKER_GATEWAY_TOKEN },
    secretsPublicKey: v.SECRETS_PUBLIC_KEY,
    trustBundle: v.SIGNING_TRUST_BUNDLE,
    hostTokenKeys: { current: v.HOST_TOKEN_PRIVATE_KEY, otherPublic: v.HOST_TOKEN_OTHER_PUBLIC_KEYS },
    ...(hostUrl !== undefined && {
      hostApplication: { baseUrl: hostUrl, timeoutMs: v.HOST_API_TIMEOUT_MS },
    }),
    ...(proxyUrl !== undefined && {
      uiProxy: { baseUrl: proxyUrl, timeoutMs: v.UI_PROXY_TIMEOUT_MS, authKey: v.UI_PROXY_AUTH_KEY },
    }),
  };
}
