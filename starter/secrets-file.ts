import { generateKeyPairSync, randomBytes, randomUUID } from 'node:crypto';
import { chmodSync, existsSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { z } from 'zod';
import { issuesOf } from '../core/issues.ts';
import { generateSecretsKeyPair } from '../platform/secrets/sealing-suite.ts';
import { generateApiKey } from '../platform/tokens/api-key.ts';

const pair = z.object({ publicKey: z.base64(), privateKey: z.base64() });

const schema = z.object({
  tenantId: z.uuid(),
  postgresPassword: z.string().min(1),
  /** What processes present to each other. */
  tokens: z.object({
    gatewayToRunner: z.string(),
    runnerToGateway: z.string(),
    workerToGateway: z.string(),
    /** What scrapes presents; files of earlier releases hold none. */
    metrics: z.string().optional(),
  }),
  /** Ed25519, base64 of DER: PKCS#8 and SPKI. */
  executionToken: pair,
  /** The same, of what is presented to the host application; files of earlier releases hold none. */
  hostToken: pair.optional(),
  /** `previous`: public halves of the keys before this one, the newest first. */
  artifactSigning: pair.extend({ previous: z.array(z.base64()).default([]) }),
  /** X25519, base64 of the 32 bytes. */
  secretsSealing: pair,
  /** AES-256-GCM, base64 of 32 bytes. */
  payloadCodecKey: z.base64(),
  /** Of earlier rotations, the newest first. */
  previousPayloadCodecKeys: z.array(z.base64()).default([]),
  apiKeys: z.object({ operator: z.string(), admin: z.string(), user: z.string() }),
});

type StoredSecrets = z.infer<typeof schema>;

/** Everything on one machine that must be secret and stay the same from start to start. */
export type LocalSecrets = Omit<StoredSecrets, 'tokens' | 'hostToken'> & {
  tokens: Record<keyof StoredSecrets['tokens'], string>;
  hostToken: z.infer<typeof pair>;
};

/** Reads the file, or makes it once. Its mode is put right, aloud, when others could read it. */
export function loadLocalSecrets(file: string, log: (line: string) => void): LocalSecrets {
  if (!existsSync(file)) {
    const made = generateLocalSecrets();
    write(file, made);
    return made;
  }
  const mode = statSync(file).mode & 0o777;
  if ((mode & 0o077) !== 0) {
    chmodSync(file, 0o600);
    log(`${file} could be read by other users (mode ${mode.toString(8)}); it is 600 now`);
  }
  const stored = parse(file);
  const { metrics = newToken() } = stored.tokens;
  const completed = {
    ...stored,
    tokens: { ...stored.tokens, metrics },
    hostToken: stored.hostToken ?? generateSigningPair(),
  };
  if (stored.tokens.metrics === undefined || stored.hostToken === undefined) write(file, completed);
  return completed;
}

/** A new key signs artifacts from the next start on; the one before stays trusted. Throws if there is no such file. */
export function rotateArtifactKey(file: string): void {
  const secrets = parse(file);
  const { publicKey, previous } = secrets.artifactSigning;
  write(file, {
    ...secrets,
    artifactSigning: { ...generateSigningPair(), previous: [publicKey, ...previous] },
  });
}

/** Trusts the present key alone, from the next start on. Answers how many it forgot. Throws if there is no such file. */
export function forgetPreviousArtifactKeys(file: string): number {
  const secrets = parse(file);
  const { previous, ...current } = secrets.artifactSigning;
  write(file, { ...secrets, artifactSigning: { ...current, previous: [] } });
  return previous.length;
}

/** A new key encrypts what Temporal is given from the next start on; those before it still decrypt. Throws if there is no such file. */
export function rotateCodecKey(file: string): void {
  const secrets = parse(file);
  const { payloadCodecKey, previousPayloadCodecKeys } = secrets;
  write(file, {
    ...secrets,
    payloadCodecKey: newCodecKey(),
    previousPayloadCodecKeys: [payloadCodecKey, ...previousPayloadCodecKeys],
  });
}

/** From the next start on, nothing that previous keys encrypted can be read. Answers how many it forgot. Throws if there is no such file. */
export function forgetPreviousCodecKeys(file: string): number {
  const secrets = parse(file);
  write(file, { ...secrets, previousPayloadCodecKeys: [] });
  return secrets.previousPayloadCodecKeys.length;
}

function write(file: string, secrets: StoredSecrets): void {
  rmSync(`${file}.new`, { force: true });
  writeFileSync(`${file}.new`, `${JSON.stringify(secrets, null, 2)}\n`, { mode: 0o600 });
  renameSync(`${file}.new`, file);
}

function parse(file: string): StoredSecrets {
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    // Without the cause: a JSON error quotes the text around the fault.
    throw new Error(`${file} cannot be read as JSON; restore it, or remove the data folder to begin anew`);
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const paths = issuesOf(parsed.error)
    .map(({ path }) => path)
    .join(', ');
  throw new Error(`${file} lacks or misspells ${paths}; restore it, or remove the data folder to begin anew`);
}

function newCodecKey(): string {
  return randomBytes(32).toString('base64');
}

function newToken(): string {
  return randomBytes(32).toString('base64url');
}

function generateLocalSecrets(): LocalSecrets {
  const sealing = generateSecretsKeyPair();
  return {
    tenantId: randomUUID(),
    postgresPassword: newToken(),
    tokens: {
      gatewayToRunner: newToken(),
      runnerToGateway: newToken(),
      workerToGateway: newToken(),
      metrics: newToken(),
    },
    executionToken: generateSigningPair(),
    hostToken: generateSigningPair(),
    artifactSigning: { ...generateSigningPair(), previous: [] },
    secretsSealing: { publicKey: sealing.publicKey, privateKey: sealing.privateKey.reveal() },
    payloadCodecKey: newCodecKey(),
    previousPayloadCodecKeys: [],
    apiKeys: { operator: generateApiKey().key, admin: generateApiKey().key, user: generateApiKey().key },
  };
}

function generateSigningPair(): z.infer<typeof pair> {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  return {
    publicKey: publicKey.export({ format: 'der', type: 'spki' }).toString('base64'),
    privateKey: privateKey.export({ format: 'der', type: 'pkcs8' }).toString('base64'),
  };
}
