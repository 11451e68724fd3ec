import { Router, type Request, type RequestHandler } from 'express';
import type { PayloadCodec } from '@temporalio/common';
import { PlatformError } from '../../core/errors.ts';
import type { SecretValue } from '../../core/secret-value.ts';
import type { Logger } from '../../platform/logger.ts';
import { sameSecret } from '../../platform/tokens/bearer.ts';
import { createErrorHandler, refuseUnknownRoute } from '../error-handler.ts';
import { createDecodeRouter } from './decode-payloads.ts';

export interface TemporalUi {
  codec: Pick<PayloadCodec, 'decode'>;
  /** Of the Temporal UI; pages of other origins may read nothing. */
  origins: readonly string[];
  /** What opens the codec to the UI of this machine without a key; absent: nothing does. */
  capability?: SecretValue | undefined;
}

/** Answers the preflights of the UI's own pages, and lets them read the answers. Goes before authentication, which preflights lack. */
export function allowUi(origins: readonly string[]): RequestHandler {
  return (req, res, next) => {
    res.vary('origin');
    const origin = req.get('origin');
    const isUi = origin !== undefined && origins.includes(origin);
    if (isUi) res.set('access-control-allow-origin', origin);
    if (!isUi || req.method !== 'OPTIONS') {
      next();
      return;
    }
    res.set({
      'access-control-allow-methods': 'POST',
      'access-control-allow-headers': 'authorization, content-type, x-namespace',
      'access-control-max-age': '600',
    });
    res.status(204).end();
  };
}

/**
 * `/{capability}/decode`, for the UI of one machine, which has no credential to show: only from that machine, only by its own names, only for
 * pages of the UI. Nothing logs the address. A wrong capability is an address at which there is nothing.
 */
export function createCapabilityRouter(
  { codec, origins, capability }: TemporalUi,
  logger: Logger,
): Router | undefined {
  if (!capability) return undefined;
  const router = Router();
  const opened = Router();
  router.use('/:capability', (req, res, next) => {
    if (sameSecret(req.params.capability, capability.reveal())) opened(req, res, next);
    else next();
  });
  opened.use(requireLoopback, allowUi(origins), requireOrigin(origins), createDecodeRouter(codec));
  // Here, where the path is what follows the capability.
  opened.use(refuseUnknownRoute, createErrorHandler(logger));
  return router;
}

const LOOPBACK_ADDRESS = /^(?:::1|(?:::ffff:)?127\.\d+\.\d+\.\d+)$/;
/** A page elsewhere whose own name leads here has that name as its host (DNS rebinding). */
const LOOPBACK_HOST = /^(?:localhost|127\.0\.0\.1|\[::1\])(?::\d+)?$/;
/** Who sets these speaks for somebody else. */
const FORWARDED = ['forwarded', 'via', 'x-forwarded-for', 'x-real-ip'];

const requireLoopback: RequestHandler = (req, _res, next) => {
  if (!isLoopback(req)) throw new PlatformError('FORBIDDEN', 'this is for the Temporal UI of this machine');
  next();
};

function isLoopback(req: Request): boolean {
  return (
    LOOPBACK_ADDRESS.test(req.socket.remoteAddress ?? '') &&
    LOOPBACK_HOST.test(req.get('host') ?? '') &&
    FORWARDED.every((name) => req.headers[name] === undefined)
  );
}

function requireOrigin(origins: readonly string[]): RequestHandler {
  return (req, _res, next) => {
    if (!origins.includes(req.get('origin') ?? '')) {
      throw new PlatformError('FORBIDDEN', 'this is for pages of the Temporal UI');
    }
    next();
  };
}
