import { createHmac, createSecretKey, hash, hkdfSync, randomBytes, type KeyObject } from 'node:crypto';
import type { SecretValue } from '../../core/secret-value.ts';
import { sameDigest } from './bearer.ts';

/** The header a seal travels in. */
export const SEAL_HEADER = 'x-request-seal';

const SEAL = /^v1\.([\w-]{22})\.([\w-]{22})\.(\d{1,15})\.(\d{1,15})\.([\w-]{43})\.([\w-]{43})$/;

/** What a seal covers beside the body. Nothing of it can hold a line break: it comes from a request line and from headers. */
interface Covered {
  path: string;
  contentType: string;
  /** Empty where there is none. */
  executionToken: string;
}

/** What a gateway said in a seal that was its own. */
export interface Seal {
  /** Random, one for each start of a gateway. */
  gateway: string;
  /** Which memory of the runner's it was sealed for. */
  epoch: string;
  /** Counts this gateway's seals for this runner from 1. */
  sequence: number;
  /** Milliseconds since the epoch. */
  expiresAt: number;
  /** Of the body as it is sent: sha256 in base64url. */
  digest: string;
}

/** Known to gateways and to the one runner. The credential itself is sent to nobody, so who listens cannot seal. */
export function requestKey(serviceToken: SecretValue, audience: string): KeyObject {
  const info = `alga-runner-request-v1 ${audience}`;
  return createSecretKey(Buffer.from(hkdfSync('sha256', serviceToken.reveal(), '', info, 32)));
}

/** Seals requests to one runner, each once. */
export function createSealer(
  key: KeyObject,
): (
  request: Covered & { epoch: string; body: string | Uint8Array; expiresAt: number },
) => Record<typeof SEAL_HEADER, string> {
  const gateway = newSealId();
  let sequence = 0;
  return ({ epoch, body, expiresAt, ...covered }) => {
    const seal = { gateway, epoch, sequence: ++sequence, expiresAt, digest: bodyDigest(body) };
    const { said, mac } = macOf(key, seal, covered);
    return { [SEAL_HEADER]: `${said}.${mac.toString('base64url')}` };
  };
}

/** Undefined if the text is no seal of this key for what it covers. Whether the body is the one, `bodyDigest` tells. */
export function readSeal(key: KeyObject, text: string, covered: Covered): Seal | undefined {
  const [, gateway, epoch, sequence, expiresAt, digest, given] = SEAL.exec(text) ?? [];
  if (!gateway || !epoch || !digest || !given) return undefined;
  const seal = { gateway, epoch, sequence: Number(sequence), expiresAt: Number(expiresAt), digest };
  const { mac } = macOf(key, seal, covered);
  return sameDigest(Buffer.from(given, 'base64url'), mac) ? seal : undefined;
}

export function bodyDigest(body: string | Uint8Array): string {
  return hash('sha256', body, 'base64url');
}

/** 128 random bits: for a gateway's start, and for an epoch. */
export function newSealId(): string {
  return randomBytes(16).toString('base64url');
}

function macOf(key: KeyObject, seal: Seal, covered: Covered): { said: string; mac: Buffer } {
  const said = `v1.${seal.gateway}.${seal.epoch}.${seal.sequence}.${seal.expiresAt}.${seal.digest}`;
  const lines = [said, covered.path, covered.contentType, covered.executionToken];
  return { said, mac: createHmac('sha256', key).update(lines.join('\n')).digest() };
}
