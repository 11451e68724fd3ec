import { randomBytes } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { z } from 'zod';
import type { LocalSecrets } from '../secrets-file.ts';

/** Of servers that `npm start` does not run, or runs with one user. */
const passwords = z.object({
  /** Of the user who owns the platform's database, and of the one who owns Temporal's. */
  platform: z.string(),
  temporal: z.string(),
  objectStore: z.string(),
  redis: z.string(),
});
type Passwords = z.infer<typeof passwords>;

/** Reads the file, or makes it once. Throws if it is damaged, without a word of what is in it. */
export function ownPasswords(file: string): Passwords {
  if (!existsSync(file)) {
    const one = (): string => randomBytes(32).toString('hex'); // goes into URLs and into shells as it is
    const made: Passwords = { platform: one(), temporal: one(), objectStore: one(), redis: one() };
    writeFileSync(`${file}.new`, `${JSON.stringify(made, null, 2)}\n`, { mode: 0o600 });
    renameSync(`${file}.new`, file);
    return made;
  }
  try {
    return passwords.parse(JSON.parse(readFileSync(file, 'utf8')));
  } catch {
    throw new Error(`${file} cannot be read; restore it from a backup`);
  }
}

/** For each container what it may know, by the names of the variables that its process reads as `NAME_FILE`. */
export function containerSecrets(
  secrets: LocalSecrets,
  own: Passwords,
): Record<string, Record<string, string>> {
  const { tokens, artifactSigning } = secrets;
  const DATABASE_URL = `postgres://platform:${own.platform}@postgres:5432/platform`;
  const codec = {
    PAYLOAD_CODEC_KEY: secrets.payloadCodecKey,
    PAYLOAD_CODEC_PREVIOUS_KEYS: secrets.previousPayloadCodecKeys.join(','),
  };
  const objects = { STORAGE_S3_SECRET_KEY: own.objectStore };
  const artifactKeys = { ARTIFACT_SIGNING_PREVIOUS_PUBLIC_KEYS: artifactSigning.previous.join(',') };
  return {
    postgres: {
      POSTGRES_PASSWORD: secrets.postgresPassword,
      PLATFORM_PASSWORD: own.platform,
      TEMPORAL_PASSWORD: own.temporal,
    },
    temporal: { TEMPORAL_PASSWORD: own.temporal },
    objects: { ROOT_SECRET_KEY: own.objectStore },
    redis: { REDIS_PASSWORD: own.redis },
    setup: {
      DATABASE_URL,
      TENANT_ID: secrets.tenantId,
      API_KEYS: JSON.stringify(secrets.apiKeys),
    },
    gateway: {
      ...{ DATABASE_URL, ...codec, ...objects },
      EXECUTION_TOKEN_PRIVATE_KEY: secrets.executionToken.privateKey,
      HOST_TOKEN_PRIVATE_KEY: secrets.hostToken.privateKey,
      RUNNER_SERVICE_TOKEN: tokens.gatewayToRunner,
      RUNNER_GATEWAY_TOKEN: tokens.runnerToGateway,
      WORKER_GATEWAY_TOKEN: tokens.workerToGateway,
      SECRETS_PUBLIC_KEY: secrets.secretsSealing.publicKey,
    },
    'lifecycle-worker': {
      ...{ DATABASE_URL, ...codec, ...objects },
      WORKER_GATEWAY_TOKEN: tokens.workerToGateway,
    },
    'precompile-worker': {
      ...{ ...codec, ...objects, ...artifactKeys },
      ARTIFACT_SIGNING_PRIVATE_KEY: artifactSigning.privateKey,
    },
    runner: {
      ...{ ...objects, ...artifactKeys },
      ARTIFACT_SIGNING_PUBLIC_KEY: artifactSigning.publicKey,
      RUNNER_SERVICE_TOKEN: tokens.gatewayToRunner,
      RUNNER_GATEWAY_TOKEN: tokens.runnerToGateway,
      RUNNER_METRICS_TOKEN: tokens.metrics,
      SECRETS_PRIVATE_KEY: secrets.secretsSealing.privateKey,
    },
  };
}

/** A file for each value, and no other: a volume is one container's, whose user is not ours, so all may read what is in it. */
export function writeSecrets(folder: string, values: Readonly<Record<string, string>>): void {
  for (const name of readdirSync(folder)) if (!(name in values)) rmSync(path.join(folder, name));
  for (const [name, value] of Object.entries(values)) {
    const file = path.join(folder, name);
    writeFileSync(`${file}.new`, `${value}\n`, { mode: 0o444 });
    renameSync(`${file}.new`, file);
  }
}
