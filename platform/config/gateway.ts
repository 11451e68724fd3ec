import { z } from 'zod';
import { MAX_TIMEOUT_MS } from '../../core/execute.ts';
import type { SecretValue } from '../../core/secret-value.ts';
import {
  capability,
  credential,
  database,
  databaseConfig,
  keySecret,
  loadObjectStoreConfig,
  logging,
  originList,
  parseEnvironment,
  port,
  temporal,
  temporalConfig,
  installConcurrency,
  installConcurrencyOf,
  tenantConcurrency,
  type DatabaseConfig,
  type Environment,
  type ObjectStoreConfig,
  type TemporalConfig,
} from './environment.ts';
import type { LogFormat } from '../logger.ts';

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
  /** Private address of the runner; requests are sealed for it. */
  RUNNER_BASE_URL: z.url(),
  /** Origin that browsers load extension UIs from. */
  RUNNER_PUBLIC_BASE: z.url(),
  /** Upper bound of one execution, milliseconds. */
  EXT_GATEWAY_TIMEOUT_MS: z.coerce.number().int().min(100).max(MAX_TIMEOUT_MS).default(30_000),
  RUNNER_TENANT_CONCURRENCY: tenantConcurrency,
  RUNNER_INSTALL_CONCURRENCY: installConcurrency,
  EXECUTION_TOKEN_PRIVATE_KEY: keySecret,
  /** Tokens of gateways with this key are accepted too. */
  EXECUTION_TOKEN_PREVIOUS_PRIVATE_KEY: keySecret.optional(),
  RUNNER_SERVICE_TOKEN: credential,
  RUNNER_GATEWAY_TOKEN: credential,
  WORKER_GATEWAY_TOKEN: credential,
  /** Public half of the key that secrets are sealed to: base64 of the 32 bytes. */
  SECRETS_PUBLIC_KEY: z.base64(),
});

export interface GatewayConfig {
  logLevel: string;
  logFormat?: LogFormat | undefined;
  /** The public listener. */
  host: string;
  port: number;
  internal: { host: string; port: number };
  database: DatabaseConfig;
  hostPoolMax: number;
  temporal: TemporalConfig;
  temporalUi: { origins: string[]; capability?: SecretValue | undefined };
  objects: ObjectStoreConfig;
  runner: { baseUrl: string; publicBase: string; serviceToken: SecretValue };
  executionTimeoutMs: number;
  tenantConcurrency: number;
  installConcurrency: number;
  executionTokenKeys: { current: SecretValue; previous?: SecretValue | undefined };
  /** Credentials that callers of /api/internal present. */
  credentials: { runner: SecretValue; worker: SecretValue };
  secretsPublicKey: string;
}

export function loadGatewayConfig(env: Environment): GatewayConfig {
  const v = parseEnvironment(gatewayEnv, env);
  return {
    logLevel: v.LOG_LEVEL,
    logFormat: v.LOG_FORMAT,
    host: v.GATEWAY_HOST,
    port: v.GATEWAY_PORT,
    internal: { host: v.GATEWAY_INTERNAL_HOST, port: v.GATEWAY_INTERNAL_PORT },
    database: databaseConfig(v),
    hostPoolMax: v.DATABASE_HOST_POOL_MAX,
    temporal: temporalConfig(v),
    temporalUi: { origins: v.TEMPORAL_UI_ORIGINS, capability: v.TEMPORAL_CODEC_CAPABILITY },
    objects: loadObjectStoreConfig(env),
    runner: {
      baseUrl: v.RUNNER_BASE_URL,
      publicBase: v.RUNNER_PUBLIC_BASE,
      serviceToken: v.RUNNER_SERVICE_TOKEN,
    },
    executionTimeoutMs: v.EXT_GATEWAY_TIMEOUT_MS,
    tenantConcurrency: v.RUNNER_TENANT_CONCURRENCY,
    installConcurrency: installConcurrencyOf(v.RUNNER_INSTALL_CONCURRENCY, v.RUNNER_TENANT_CONCURRENCY),
    executionTokenKeys: {
      current: v.EXECUTION_TOKEN_PRIVATE_KEY,
      previous: v.EXECUTION_TOKEN_PREVIOUS_PRIVATE_KEY,
    },
    credentials: { runner: v.RUNNER_GATEWAY_TOKEN, worker: v.WORKER_GATEWAY_TOKEN },
    secretsPublicKey: v.SECRETS_PUBLIC_KEY,
  };
}
