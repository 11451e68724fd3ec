import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { z } from 'zod';
import { PlatformError } from '../../core/errors.ts';
import { ANY_PUBLIC_HOST, hostPattern } from '../../core/host-pattern.ts';
import { issuesOf } from '../../core/issues.ts';
import { SecretValue } from '../../core/secret-value.ts';
import { readPublicKey } from '../tokens/ed25519.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

/** Lists that say `nothing` when they are empty, and are no list when they are unset. */
const SAID_WHEN_EMPTY = ['EXT_EGRESS_ALLOWLIST'];

/** An empty variable means unset: that is what an empty line in an env file or a compose file gives. */
export function withoutEmpty(env: Environment): Environment {
  return Object.fromEntries(
    Object.entries(env).filter(([name, value]) => value !== '' || SAID_WHEN_EMPTY.includes(name)),
  );
}

/** What is set, each `NAME_FILE` replaced by `NAME` with the file's text: any secret may come from a mounted file. */
export function withSecretFiles(env: Environment, names: readonly string[] = FILE_VARIABLES): Environment {
  const merged: Record<string, string | undefined> = { ...withoutEmpty(env) };
  for (const name of names) {
    const file = merged[`${name}_FILE`];
    if (file === undefined || merged[name] !== undefined) continue;
    try {
      merged[name] = readFileSync(file, 'utf8').trim();
    } catch (cause) {
      throw new PlatformError('CONFIG_INVALID', `${name}_FILE names a file that cannot be read`, { cause });
    }
  }
  return withoutEmpty(merged);
}

/** The variables a schema names, secrets from files read in. Reports every bad one at once, by name; never their values. */
export function parseEnvironment<Schema extends z.ZodType>(
  schema: Schema,
  env: Environment,
): z.infer<Schema> {
  const parsed = schema.safeParse(withSecretFiles(env), { reportInput: true });
  if (parsed.success) return parsed.data;
  const issues = issuesOf(parsed.error);
  const faults = issues.map(({ path, message }) => `  ${path}: ${message}`).join('\n');
  throw new PlatformError('CONFIG_INVALID', `the environment has faults:\n${faults}`, { issues });
}

/** Executions of one tenant at once: in one gateway, and in one runner. */
export const tenantConcurrency = z.coerce.number().int().min(1).default(32);
/** Executions of one install at once; unset, a quarter of its tenant's places are left to others. */
export const installConcurrency = z.coerce.number().int().min(1).optional();

export function installConcurrencyOf(set: number | undefined, ofTenant: number): number {
  return Math.min(ofTenant, set ?? Math.ceil((ofTenant * 3) / 4));
}

/** Where requests go that add their path to it. */
export const baseUrl = z
  .url({ protocol: /^https?$/ })
  .refine(
    (text) => !/[?#@]/.test(text),
    'must be http or https, without user, query or fragment, such as https://host.example.com/api',
  );

export const port = z.coerce.number().int().min(0).max(65_535);
/** On SIGTERM a process says for so long that it drains, and still takes what comes: whoever shares out calls has seen it by then. */
export const drainNoticeMs = z.coerce.number().int().min(0).max(60_000).default(0);
/** A descriptor that the process was started with, of a socket that is bound. */
export const listenFd = z.coerce.number().int().min(3).optional();
const secret = z
  .string()
  .min(1)
  .transform((value) => new SecretValue(value));
/** What one process presents to another in a header. */
export const credential = z
  .string()
  .regex(/^[\x21-\x7e]+$/, 'must be visible ASCII without spaces')
  .transform((value) => new SecretValue(value));
/** A secret as part of an address: whoever has that needs nothing else. */
export const capability = z
  .string()
  .regex(/^[A-Za-z0-9_-]{32,}$/, 'at least 32 of A-Z a-z 0-9 _ -')
  .transform((value) => new SecretValue(value));
/** Base64 of a key; the adapters that use it check what is inside. */
export const keySecret = z.base64().transform((value) => new SecretValue(value));

/** Ed25519 public key: base64 of its SPKI DER. */
export const publicKey = z.base64().refine(isEd25519PublicKey, 'no Ed25519 public key as base64 of SPKI DER');
/** Several values, separated by commas. */
const list = z.string().default('').transform(separated);
/** Hosts as grants name them. `*`, which is the default, narrows nothing; an empty list leaves nothing. */
export const egressAllowlist = z
  .string()
  .default(ANY_PUBLIC_HOST)
  .transform(separated)
  .transform((hosts) => (hosts.includes(ANY_PUBLIC_HOST) ? undefined : hosts))
  .pipe(z.array(hostPattern).optional());
export const cidrList = list.pipe(
  z.array(z.string().refine(isCidr, 'no range of addresses, such as 10.20.0.0/16 or fd00:1234::/32')),
);
/** Addresses of servers, each with or without a port. */
export const addressList = list
  .pipe(
    z.array(z.string().refine(isAddress, 'no address, such as 10.0.0.53, 10.0.0.53:5353 or [fd00::53]:53')),
  )
  .transform((addresses) => (addresses.length > 0 ? addresses : undefined));
export const publicKeyList = list.pipe(z.array(publicKey));
export const keySecretList = list.pipe(z.array(keySecret));
/** As browsers send them in `Origin`. */
export const originList = list.pipe(
  z.array(
    z
      .string()
      .refine((origin) => URL.parse(origin)?.origin === origin, 'no origin, such as https://ui.example.com'),
  ),
);

function separated(text: string): string[] {
  return text
    .split(',')
    .map((value) => value.trim())
    .filter(Boolean);
}

function isCidr(text: string): boolean {
  const [address = '', bits = '', ...more] = text.split('/');
  const most = { 0: -1, 4: 32, 6: 128 }[isIP(address)] ?? -1;
  return more.length === 0 && /^[0-9]{1,3}$/.test(bits) && Number(bits) <= most && !address.includes('%');
}

function isAddress(text: string): boolean {
  const [, address = text] =
    /^\[(.*)\](?::[0-9]{1,5})?$/.exec(text) ?? /^([0-9.]+):[0-9]{1,5}$/.exec(text) ?? [];
  return isIP(address) !== 0;
}

function isEd25519PublicKey(base64: string): boolean {
  try {
    return readPublicKey(base64).asymmetricKeyType === 'ed25519';
  } catch {
    return false; // what is wrong with it is the caller's to say
  }
}

export const logging = z.object({
  LOG_LEVEL: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'silent']).default('info'),
  /** Unset: text in a terminal, JSON elsewhere. */
  LOG_FORMAT: z.enum(['json', 'text']).optional(),
});
export const database = z.object({
  DATABASE_URL: secret,
  DATABASE_POOL_MAX: z.coerce.number().int().min(1).default(10),
});
export interface DatabaseConfig {
  url: SecretValue;
  poolMax: number;
}
export function databaseConfig(v: z.output<typeof database>): DatabaseConfig {
  return { url: v.DATABASE_URL, poolMax: v.DATABASE_POOL_MAX };
}
/** For a script, which needs nothing else. */
export function loadDatabaseUrl(env: Environment): SecretValue {
  return parseEnvironment(database.pick({ DATABASE_URL: true }), env).DATABASE_URL;
}

export const storageEnv = z.object({
  BUNDLE_STORE_BASE: z
    .string()
    .regex(/^[a-z0-9/-]+\/$/, 'a prefix that ends in "/"')
    .default('sha256/'),
  STORAGE_FOLDER: z.string().optional(),
  STORAGE_S3_ENDPOINT: z.url().optional(),
  /** Where publishers reach the store, if that is elsewhere: what presigned URLs name. */
  STORAGE_S3_PUBLIC_ENDPOINT: z.url().optional(),
  STORAGE_S3_ACCESS_KEY: z.string().optional(),
  STORAGE_S3_SECRET_KEY: secret.optional(),
  STORAGE_S3_BUCKET: z.string().optional(),
  STORAGE_S3_REGION: z.string().default('us-east-1'),
  STORAGE_S3_FORCE_PATH_STYLE: z.stringbool().default(true),
});

export type ObjectStoreConfig =
  | { kind: 'folder'; folder: string; base: string }
  | {
      kind: 's3';
      endpoint: string;
      publicEndpoint?: string;
      accessKey: string;
      secretKey: SecretValue;
      bucket: string;
      region: string;
      forcePathStyle: boolean;
      base: string;
    };

/** S3 or a folder, never half of one. */
export function loadObjectStoreConfig(env: Environment): ObjectStoreConfig {
  const v = parseEnvironment(storageEnv, env);
  const base = v.BUNDLE_STORE_BASE;
  if (v.STORAGE_S3_ENDPOINT === undefined) {
    if (v.STORAGE_FOLDER === undefined) {
      throw new PlatformError('CONFIG_INVALID', 'set STORAGE_S3_ENDPOINT or STORAGE_FOLDER');
    }
    return { kind: 'folder', folder: v.STORAGE_FOLDER, base };
  }
  const { STORAGE_S3_ACCESS_KEY: accessKey, STORAGE_S3_SECRET_KEY: secretKey, STORAGE_S3_BUCKET: bucket } = v;
  if (accessKey === undefined || secretKey === undefined || bucket === undefined) {
    throw new PlatformError(
      'CONFIG_INVALID',
      'STORAGE_S3_ENDPOINT needs STORAGE_S3_ACCESS_KEY, STORAGE_S3_SECRET_KEY and STORAGE_S3_BUCKET beside it',
    );
  }
  return {
    kind: 's3',
    endpoint: v.STORAGE_S3_ENDPOINT,
    ...(v.STORAGE_S3_PUBLIC_ENDPOINT !== undefined && { publicEndpoint: v.STORAGE_S3_PUBLIC_ENDPOINT }),
    accessKey,
    secretKey,
    bucket,
    region: v.STORAGE_S3_REGION,
    forcePathStyle: v.STORAGE_S3_FORCE_PATH_STYLE,
    base,
  };
}

/** Variables that hold a secret and may come as `NAME_FILE`. */
export const SECRET_VARIABLES = [
  'DATABASE_URL',
  'STORAGE_S3_SECRET_KEY',
  'PAYLOAD_CODEC_KEY',
  'PAYLOAD_CODEC_PREVIOUS_KEYS',
  'TEMPORAL_CODEC_CAPABILITY',
  'TEMPORAL_API_KEY',
  'TEMPORAL_TLS_CLIENT_KEY',
  'EXECUTION_TOKEN_PRIVATE_KEY',
  'EXECUTION_TOKEN_PREVIOUS_PRIVATE_KEY',
  'HOST_TOKEN_PRIVATE_KEY',
  'UI_PROXY_AUTH_KEY',
  'RUNNER_SERVICE_TOKEN',
  'RUNNER_GATEWAY_TOKEN',
  'RUNNER_METRICS_TOKEN',
  'WORKER_GATEWAY_TOKEN',
  'ARTIFACT_SIGNING_PRIVATE_KEY',
  'SECRETS_PRIVATE_KEY',
] as const;

/** Public, and may come so too: it is made together with a secret, or is a file anyway. */
const PUBLIC_VARIABLES = [
  'ARTIFACT_SIGNING_PUBLIC_KEY',
  'ARTIFACT_SIGNING_PREVIOUS_PUBLIC_KEYS',
  'HOST_TOKEN_OTHER_PUBLIC_KEYS',
  'SECRETS_PUBLIC_KEY',
  'TEMPORAL_TLS_SERVER_CA_CERT',
  'TEMPORAL_TLS_CLIENT_CERT',
] as const;

const FILE_VARIABLES: readonly string[] = [...SECRET_VARIABLES, ...PUBLIC_VARIABLES];
