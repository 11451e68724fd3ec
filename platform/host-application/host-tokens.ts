import { createPublicKey, randomUUID, type KeyObject } from 'node:crypto';
import { calculateJwkThumbprint, exportJWK, SignJWT, type JSONWebKeySet } from 'jose';

const ISSUER = 'alga-gateway';
const ALGORITHM = 'EdDSA';

/** On whose behalf the host application is asked, and for what. */
export interface HostTokenClaims {
  tenant: string;
  install: string;
  extension: string;
  execution: string;
  /** The user who called the extension, if one did. */
  user: string | undefined;
  /** What is called, such as `clients/list-clients`: the token is good for nothing else. */
  call: string;
}

/** Says to the host application who asks, in JWTs that it can verify with published keys. */
export interface HostTokens {
  /** `audience` is the base URL that is asked. */
  sign(claims: HostTokenClaims, audience: string, expiresAt: Date): Promise<string>;
}

/** Ed25519 private key. */
export function createHostTokens(key: KeyObject): HostTokens {
  const keyId = publicJwk(createPublicKey(key)).then(({ kid }) => kid);
  return {
    async sign({ user, ...claims }, audience, expiresAt) {
      const token = new SignJWT({ ...claims })
        .setProtectedHeader({ alg: ALGORITHM, kid: await keyId, typ: 'JWT' })
        .setIssuer(ISSUER)
        .setAudience(audience)
        .setJti(randomUUID())
        .setIssuedAt()
        .setExpirationTime(expiresAt);
      if (user !== undefined) token.setSubject(user);
      return token.sign(key);
    },
  };
}

/** Ed25519 public keys as they are published. */
export async function keySetOf(keys: readonly KeyObject[]): Promise<JSONWebKeySet> {
  const jwks = await Promise.all(keys.map(publicJwk));
  return { keys: jwks.filter(({ kid }, at) => jwks.findIndex((other) => other.kid === kid) === at) };
}

async function publicJwk(key: KeyObject): Promise<JSONWebKeySet['keys'][number] & { kid: string }> {
  const jwk = await exportJWK(key);
  return { ...jwk, kid: await calculateJwkThumbprint(jwk), alg: ALGORITHM, use: 'sig' };
}
