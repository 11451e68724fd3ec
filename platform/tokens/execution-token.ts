import { createHmac, createSecretKey, hkdfSync, type KeyObject } from 'node:crypto';
import { z } from 'zod';
import { PlatformError } from '../../core/errors.ts';
import { START_WITHIN_MS, type SentExecuteRequest } from '../../core/execute.ts';
import { sameDigest } from './bearer.ts';

/** A token outlives its execution's deadline by this much, so that the last host call still has one. */
const GRACE_MS = 5_000;
const TOKEN = /^m1\.([\w-]+)\.([\w-]{43})$/;

const claims = z.object({
  /** Milliseconds since the epoch. */
  exp: z.int(),
  tenant: z.string(),
  extension: z.string(),
  install: z.string(),
  version: z.string(),
  hash: z.string(),
  execution: z.string(),
  attempt: z.int(),
  user: z.string().optional(),
});

/** On whose behalf the host routes are asked. */
export type ExecutionClaims = z.infer<typeof claims>;

/** When what is made now for an execution with this timeout is worth nothing any more. */
export function expiryOf(timeoutMs: number): number {
  return Date.now() + START_WITHIN_MS + timeoutMs + GRACE_MS;
}

/** What only gateways can compute: of the private key runners have the public half at most. */
export function executionTokenKey(privateKey: KeyObject): KeyObject {
  const material = privateKey.export({ type: 'pkcs8', format: 'der' });
  return createSecretKey(Buffer.from(hkdfSync('sha256', material, '', 'alga-execution-token-v1', 32)));
}

/** For one attempt of an execution. A runner passes it on, and can neither make nor change one. */
export function makeExecutionToken(
  key: KeyObject,
  { context, limits, user }: Pick<SentExecuteRequest, 'context' | 'limits' | 'user'>,
  attempt: number,
): string {
  const said: ExecutionClaims = {
    exp: expiryOf(limits.timeout_ms),
    tenant: context.tenant_id,
    extension: context.extension_id,
    install: context.install_id,
    version: context.version_id,
    hash: context.content_hash,
    execution: context.execution_id,
    attempt,
    user: user?.user_id,
  };
  const payload = Buffer.from(JSON.stringify(said)).toString('base64url');
  return `m1.${payload}.${macOf(key, payload).toString('base64url')}`;
}

/** By any of the keys. Throws TOKEN_INVALID. */
export function readExecutionToken(keys: readonly KeyObject[], token: string): ExecutionClaims {
  const [, payload = '', mac = ''] = TOKEN.exec(token) ?? [];
  const given = Buffer.from(mac, 'base64url');
  if (!keys.some((key) => sameDigest(given, macOf(key, payload)))) throw invalid();
  const said = claims.parse(JSON.parse(Buffer.from(payload, 'base64url').toString()));
  if (said.exp <= Date.now()) throw invalid();
  return said;
}

function macOf(key: KeyObject, payload: string): Buffer {
  return createHmac('sha256', key).update(`m1.${payload}`).digest();
}

function invalid(): PlatformError {
  return new PlatformError('TOKEN_INVALID', 'the execution token is missing, expired, or no gateway made it');
}
