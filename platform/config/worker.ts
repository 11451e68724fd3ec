import { z } from 'zod';
import type { SecretValue } from '../../core/secret-value.ts';
import {
  credential,
  database,
  databaseConfig,
  keySecret,
  loadObjectStoreConfig,
  logging,
  parseEnvironment,
  port,
  publicKeyList,
  type DatabaseConfig,
  type Environment,
  type ObjectStoreConfig,
} from './environment.ts';
import { temporal, temporalConfig, type TemporalConfig } from './temporal.ts';
import type { TrustBundle } from '../../core/trust.ts';
import type { LogFormat } from '../logger.ts';
import { signingTrustBundle } from './trust-bundle.ts';

/** What both kinds of worker read. */
const workerEnv = z.object({
  ...logging.shape,
  ...temporal.shape,
  /** `/healthz` and `/readyz` are answered there; unset, nowhere. */
  WORKER_HEALTH_PORT: port.optional(),
  WORKER_HEALTH_HOST: z.string().default('127.0.0.1'),
});

export const lifecycleWorkerEnv = z.object({
  ...workerEnv.shape,
  ...database.shape,
  WORKER_KIND: z.literal('lifecycle'),
  GATEWAY_BASE_URL: z.url(),
  WORKER_GATEWAY_TOKEN: credential,
  SIGNING_TRUST_BUNDLE: signingTrustBundle,
  /** How long executions stay in the log, days. */
  EXECUTION_RETENTION_DAYS: z.coerce.number().int().min(1).max(3650).default(90),
  /** Workflow code bundled ahead of time by `npm run build:workflows`. */
  WORKFLOW_BUNDLE: z.string().min(1),
});

export const precompileWorkerEnv = z.object({
  ...workerEnv.shape,
  WORKER_KIND: z.literal('precompile'),
  /** Ed25519 private key, base64 of PKCS#8 DER: counter-signs artifacts. */
  ARTIFACT_SIGNING_PRIVATE_KEY: keySecret,
  ARTIFACT_SIGNING_PREVIOUS_PUBLIC_KEYS: publicKeyList,
});

interface WorkerConfig {
  logLevel: string;
  logFormat?: LogFormat | undefined;
  temporal: TemporalConfig;
  objects: ObjectStoreConfig;
  health?: { host: string; port: number } | undefined;
}

export interface LifecycleWorkerConfig extends WorkerConfig {
  kind: 'lifecycle';
  database: DatabaseConfig;
  gateway: { baseUrl: string; token: SecretValue };
  workflowBundle: string;
  trustBundle?: TrustBundle | undefined;
  executionDays: number;
}

export interface PrecompileWorkerConfig extends WorkerConfig {
  kind: 'precompile';
  artifactSigningKey: SecretValue;
  previousArtifactKeys: string[];
}

export function loadWorkerConfig(env: Environment): LifecycleWorkerConfig | PrecompileWorkerConfig {
  const v = parseEnvironment(
    z.discriminatedUnion('WORKER_KIND', [lifecycleWorkerEnv, precompileWorkerEnv]),
    env,
  );
  const shared = {
    logLevel: v.LOG_LEVEL,
    logFormat: v.LOG_FORMAT,
    temporal: temporalConfig(v),
    objects: loadObjectStoreConfig(env),
    health:
      v.WORKER_HEALTH_PORT === undefined
        ? undefined
        : { host: v.WORKER_HEALTH_HOST, port: v.WORKER_HEALTH_PORT },
  };
  if (v.WORKER_KIND === 'precompile') {
    return {
      ...shared,
      kind: 'precompile',
      artifactSigningKey: v.ARTIFACT_SIGNING_PRIVATE_KEY,
      previousArtifactKeys: v.ARTIFACT_SIGNING_PREVIOUS_PUBLIC_KEYS,
    };
  }
  return {
    ...shared,
    kind: 'lifecycle',
    executionDays: v.EXECUTION_RETENTION_DAYS,
    database: databaseConfig(v),
    gateway: { baseUrl: v.GATEWAY_BASE_URL, token: v.WORKER_GATEWAY_TOKEN },
    workflowBundle: v.WORKFLOW_BUNDLE,
    trustBundle: v.SIGNING_TRUST_BUNDLE,
  };
}
