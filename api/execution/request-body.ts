import type { IncomingMessage, ServerResponse } from 'node:http';
import { PlatformError } from '../../core/errors.ts';

/** Of one gateway. Bytes are counted from when they are announced or arrive until the call they came with is over. */
export interface BodyLimits {
  /** Of one body. */
  bytes: number;
  /** Of the bodies of one tenant. */
  tenantBytes: number;
  /** Of all bodies. */
  processBytes: number;
  /** A body that is not whole by then is refused. */
  timeoutMs: number;
}

const EMPTY = Buffer.alloc(0);
/** What is not whole this long after the gateway was told to stop is refused. */
const DRAIN_BODY_MS = 3_000;
/** For a body that comes in chunks, to begin with. */
const FIRST_BYTES = 16 * 1024;

export interface RequestBodies {
  /**
   * Reads the body whole, and holds its bytes until `use` has settled. Throws BODY_TOO_LARGE, BODY_TOO_SLOW, MEDIA_TYPE_UNSUPPORTED,
   * CONCURRENCY_LIMITED where the tenant has its share of bytes, GATEWAY_UNAVAILABLE where all have, and INPUT_INVALID when the client left.
   */
  receive(
    req: IncomingMessage,
    res: ServerResponse,
    tenantId: string,
    use: (body: Uint8Array) => Promise<void>,
  ): Promise<void>;
  /** From here on a body has DRAIN_BODY_MS to be whole; then GATEWAY_UNAVAILABLE. */
  drain(): void;
  /** Bytes held, and tenants with some. */
  readonly size: { bytes: number; tenants: number };
}

export function createRequestBodies(limits: BodyLimits): RequestBodies {
  const byTenant = new Map<string, number>();
  /** Told to the bodies that are being read. */
  const drained = new Set<() => void>();
  let isDraining = false;
  let held = 0;

  /**
   * A tenant holds no more than is left for everybody else: one alone half of all, two a third each, so that who comes next finds room
   * (dynamic thresholds: Choudhury and Hahne, 1998).
   */
  function take(tenantId: string, bytes: number): void {
    const own = (byTenant.get(tenantId) ?? 0) + bytes;
    const hasSome = own > bytes;
    if (own > limits.tenantBytes || (hasSome && own > limits.processBytes - held)) {
      throw new PlatformError('CONCURRENCY_LIMITED', 'too many bytes of request bodies at once; try again');
    }
    if (own > limits.processBytes - held) {
      throw new PlatformError(
        'GATEWAY_UNAVAILABLE',
        'the gateway has no room for the body at the moment; try again',
      );
    }
    byTenant.set(tenantId, own);
    held += bytes;
  }

  function giveBack(tenantId: string, bytes: number): void {
    held -= bytes;
    const own = (byTenant.get(tenantId) ?? 0) - bytes;
    if (own > 0) byTenant.set(tenantId, own);
    else byTenant.delete(tenantId);
  }

  return {
    async receive(req, res, tenantId, use) {
      const announced = announcedBytes(req, limits.bytes);
      if (req.destroyed) throw gone();
      if (announced === 0) return use(EMPTY);
      let taken = 0;
      const grow = (bytes: number): void => {
        take(tenantId, bytes);
        taken += bytes;
      };
      try {
        if (announced !== undefined) grow(announced);
        // Only now: who is refused need not send it.
        if (req.headers.expect !== undefined) res.writeContinue();
        await use(await read(req, { announced, grow, limits, drained, isDraining }));
      } finally {
        giveBack(tenantId, taken);
      }
    },
    drain() {
      isDraining = true;
      for (const tell of drained) tell();
    },
    get size() {
      return { bytes: held, tenants: byTenant.size };
    },
  };
}

/** Undefined if it comes in chunks. Inflating is refused: a guest gets what the client sent, and a small body cannot become a large one. */
function announcedBytes({ headers }: IncomingMessage, max: number): number | undefined {
  const isChunked = headers['transfer-encoding'] !== undefined;
  const announced = isChunked ? undefined : Number(headers['content-length'] ?? 0);
  if (announced === 0) return 0;
  const coding = headers['content-encoding']?.trim().toLowerCase() ?? 'identity';
  if (coding !== 'identity') {
    throw new PlatformError(
      'MEDIA_TYPE_UNSUPPORTED',
      `a body is taken as it is, not as ${JSON.stringify(coding)}; send it uncompressed`,
    );
  }
  if (announced !== undefined && announced > max) throw tooLarge(max);
  return announced;
}

interface Reading {
  announced: number | undefined;
  /** Throws where there is no room for so many bytes more. */
  grow: (bytes: number) => void;
  limits: BodyLimits;
  drained: Set<() => void>;
  isDraining: boolean;
}

function read(
  req: IncomingMessage,
  { announced, grow, limits, drained, isDraining }: Reading,
): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  // One buffer that each piece is copied into: a list of pieces of a byte each would take a hundred times the memory.
  let whole: Buffer = EMPTY;
  let size = 0;

  const makeRoom = (): void => {
    if (size <= whole.byteLength) return;
    if (size > limits.bytes) throw tooLarge(limits.bytes);
    const room = announced ?? Math.min(Math.max(2 * whole.byteLength, size, FIRST_BYTES), limits.bytes);
    if (announced === undefined) grow(room - whole.byteLength);
    const larger = Buffer.allocUnsafeSlow(room);
    larger.set(whole);
    whole = larger;
  };
  const onData = (chunk: Buffer): void => {
    const at = size;
    size += chunk.byteLength;
    try {
      if (chunk.byteLength === announced) whole = chunk;
      else {
        makeRoom();
        whole.set(chunk, at);
      }
    } catch (err) {
      settle(() => reject(err));
    }
  };
  const onEnd = (): void => settle(() => resolve(whole.subarray(0, size)));
  const onGone = (): void => settle(() => reject(gone()));
  const refuseAfter = (ms: number, why: PlatformError): NodeJS.Timeout =>
    setTimeout(() => settle(() => reject(why)), ms);
  let timer = refuseAfter(limits.timeoutMs, tooSlow(limits.timeoutMs));
  const onDrain = (): void => {
    clearTimeout(timer);
    timer = refuseAfter(Math.min(DRAIN_BODY_MS, limits.timeoutMs), stopping());
  };
  drained.add(onDrain);
  if (isDraining) onDrain();

  function settle(how: () => void): void {
    clearTimeout(timer);
    drained.delete(onDrain);
    req.off('data', onData).off('end', onEnd).off('close', onGone).off('error', onGone);
    req.on('error', () => undefined); // of what is left of it
    how();
  }

  req.on('data', onData).once('end', onEnd).once('close', onGone).once('error', onGone);
  return promise;
}

function tooLarge(max: number): PlatformError {
  return new PlatformError('BODY_TOO_LARGE', `a body has at most ${max} bytes`);
}

function tooSlow(ms: number): PlatformError {
  const message = `the body was not whole after ${ms} ms; send less, or over a faster line`;
  return new PlatformError('BODY_TOO_SLOW', message);
}

function stopping(): PlatformError {
  return new PlatformError('GATEWAY_UNAVAILABLE', 'the gateway is stopping; try again');
}

function gone(): PlatformError {
  return new PlatformError('INPUT_INVALID', 'the client left before its body was whole');
}
