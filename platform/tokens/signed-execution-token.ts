import { createHash, randomUUID, type KeyObject } from 'node:crypto';
import { jwtVerify, SignJWT } from 'jose';
import { z } from 'zod';
import { canonicalJson } from '../../core/canonical-json.ts';
import { PlatformError } from '../../core/errors.ts';
import type { ExecuteRequest, SentExecuteRequest } from '../../core/execute.ts';
import { expiryOf } from './execution-token.ts';

// The form of releases before requests to runners were sealed. It says nothing of path, query, config and body.

const ISSUER = 'alga-gateway';
const ALGORITHM = 'EdDSA';

const claims = z.object({
  jti: z.uuid(),
  exp: z.int(),
  tenant: z.uuid(),
  extension: z.uuid(),
  install: z.uuid(),
  version: z.uuid(),
  hash: z.string(),
  execution: z.uuid(),
  user: z.string().optional(),
  /** sha256 of the canonical JSON of those parts of the body, as they are sent. */
  providers: z.string(),
  limits: z.string(),
  envelope: z.string(),
});

/** What a verified token says; `digest` fields tie it to one request body. */
export type SignedClaims = z.infer<typeof claims>;

function digest(value: unknown): string {
  return createHash('sha256')
    .update(canonicalJson(value ?? null))
    .digest('base64url');
}

/** The parts of a request that a token covers by digest, as they were sent: with what their reader does not know, and in any form. */
export interface CoveredParts {
  providers?: unknown;
  limits?: unknown;
  secret_envelope?: unknown;
}

/** What a token says of the request it is made for. */
function claimsOf(
  { context, user }: Pick<SentExecuteRequest, 'context' | 'user'>,
  sent: CoveredParts,
): Omit<SignedClaims, 'jti' | 'exp'> {
  return {
    tenant: context.tenant_id,
    extension: context.extension_id,
    install: context.install_id,
    version: context.version_id,
    hash: context.content_hash,
    execution: context.execution_id,
    user: user?.user_id,
    providers: digest(sent.providers),
    limits: digest(sent.limits),
    envelope: digest(sent.secret_envelope),
  };
}

/** Signs one attempt of an execution for one runner. Only the gateway holds the key. */
export async function signExecutionToken(
  key: KeyObject,
  audience: string,
  request: SentExecuteRequest,
): Promise<string> {
  return new SignJWT(claimsOf(request, request))
    .setProtectedHeader({ alg: ALGORITHM })
    .setIssuer(ISSUER)
    .setAudience(audience)
    .setJti(randomUUID())
    .setExpirationTime(Math.ceil(expiryOf(request.limits.timeout_ms) / 1000))
    .sign(key);
}

/** Throws TOKEN_INVALID. An audience of undefined accepts any runner: the gateway checks tokens that runners present. */
export async function verifySignedExecutionToken(
  key: KeyObject,
  token: string,
  audience: string | undefined,
): Promise<SignedClaims> {
  try {
    const options = { issuer: ISSUER, algorithms: [ALGORITHM], requiredClaims: ['exp', 'jti'] };
    const { payload } = await jwtVerify(
      token,
      key,
      audience === undefined ? options : { ...options, audience },
    );
    return claims.parse(payload);
  } catch (cause) {
    throw new PlatformError(
      'TOKEN_INVALID',
      'the execution token is missing, expired, or for another runner',
      { cause },
    );
  }
}

/** Throws TOKEN_INVALID if the body, read as `request`, is not the one the gateway signed for. */
export function checkBodyAgainstClaims(
  request: ExecuteRequest,
  sent: CoveredParts,
  token: SignedClaims,
): void {
  const expected = claimsOf(request, sent);
  for (const [name, value] of Object.entries(expected)) {
    if (token[name as keyof typeof expected] !== value) {
      throw new PlatformError(
        'TOKEN_INVALID',
        `the request's ${name} is not the one its token was issued for`,
      );
    }
  }
}
