import type { IncomingMessage } from 'node:http';
import { PlatformError } from '../../core/errors.ts';
import type { SecretValue } from '../../core/secret-value.ts';
import { bearerOf, sameSecret } from '../../platform/tokens/bearer.ts';
import {
  bodyDigest,
  newSealId,
  readSeal,
  requestKey,
  SEAL_HEADER,
} from '../../platform/tokens/request-seal.ts';
import { readBody } from './body.ts';
import { createReplayWindow } from './replay-window.ts';

/** Starts of gateways that an epoch remembers; a window takes 16 KiB. */
const MAX_GATEWAYS = 256;

export interface GatewayRequestDeps {
  serviceToken: SecretValue;
  /** This runner's private address, as gateways know it. */
  audience: string;
  /** Whether gateways are served that present the service credential itself. */
  olderGateways: boolean;
  now: () => number;
}

/** A request of which it is known that a gateway sent it, once, to this runner. */
export interface GatewayRequest {
  /** False if an older gateway sent it: only the credential was checked then. */
  sealed: boolean;
  /** The whole of it. Throws BODY_TOO_LARGE, and TOKEN_INVALID if it is not the one that was sealed. */
  body(maxBytes: number): Promise<Buffer>;
}

export interface GatewayRequests {
  /** What gateways seal for; undefined while older ones are served. */
  epoch(): string | undefined;
  /**
   * Throws UNAUTHENTICATED if the request has no seal, or one for another epoch: a gateway that asks what is announced now may send it
   * again. TOKEN_INVALID if it was altered, has expired, or came before.
   */
  admit(req: IncomingMessage, path: string): GatewayRequest;
}

export function createGatewayRequests(
  { serviceToken, audience, olderGateways, now }: GatewayRequestDeps,
  maxGateways = MAX_GATEWAYS,
): GatewayRequests {
  const key = requestKey(serviceToken, audience);
  // What came in an earlier epoch, before a restart or while too many gateways were remembered, is refused without being known.
  let epoch = newSealId();
  const windows = new Map<string, (sequence: number) => boolean>();

  function isFirst(gateway: string, sequence: number): boolean {
    let window = windows.get(gateway);
    if (!window) windows.set(gateway, (window = createReplayWindow()));
    return window(sequence);
  }

  function admitSealed(req: IncomingMessage, path: string, text: string): GatewayRequest {
    const contentType = req.headers['content-type'] ?? '';
    const seal = readSeal(key, text, { path, contentType, executionToken: executionTokenOf(req) });
    if (!seal) throw invalid('seal is none of a gateway for this runner, or what it covers was altered');
    if (seal.epoch === epoch && seal.expiresAt <= now()) throw invalid('seal has expired');
    if (seal.epoch === epoch && !windows.has(seal.gateway) && windows.size >= maxGateways) {
      epoch = newSealId();
      windows.clear();
    }
    if (seal.epoch !== epoch)
      return refusedWhenRead(req, 'the request was sealed for another epoch of this runner');
    if (!isFirst(seal.gateway, seal.sequence)) {
      throw invalid('seal was used before, or so many later ones were that this is not known');
    }
    return {
      sealed: true,
      async body(maxBytes) {
        const bytes = await readBody(req, maxBytes);
        if (bodyDigest(bytes) !== seal.digest) throw invalid('body is not the one that was sealed');
        return bytes;
      },
    };
  }

  return {
    epoch: () => (olderGateways ? undefined : epoch),
    admit(req, path) {
      const text = req.headers[SEAL_HEADER];
      if (typeof text === 'string') return admitSealed(req, path, text);
      if (!sameSecret(bearerOf(req.headers.authorization), serviceToken.reveal())) {
        throw new PlatformError('UNAUTHENTICATED', 'the service credential or the seal is missing or wrong');
      }
      if (!olderGateways) return refusedWhenRead(req, 'this runner takes sealed requests alone');
      return { sealed: false, body: (maxBytes) => readBody(req, maxBytes) };
    },
  };
}

/** For a gateway of ours, which would not hear a refusal while it still sends a large body, and could not know that nothing has begun. */
function refusedWhenRead(req: IncomingMessage, why: string): GatewayRequest {
  return {
    sealed: true,
    async body(maxBytes) {
      await readBody(req, maxBytes);
      throw new PlatformError('UNAUTHENTICATED', why);
    },
  };
}

/** An empty one where there is none. */
export function executionTokenOf(req: IncomingMessage): string {
  const token = req.headers['x-execution-token'];
  return typeof token === 'string' ? token : '';
}

function invalid(what: string): PlatformError {
  return new PlatformError('TOKEN_INVALID', `the request's ${what}`);
}
