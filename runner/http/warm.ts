import type { IncomingMessage, ServerResponse } from 'node:http';
import { PlatformError } from '../../core/errors.ts';
import { START_WITHIN_MS, warmRequest, type WarmRequest } from '../../core/execute.ts';
import { parseInput } from '../../core/issues.ts';
import type { Concurrency } from '../execution/concurrency.ts';
import type { BundleCache } from '../cache/bundle-cache.ts';
import { parseJson } from './body.ts';
import type { GatewayRequest } from './gateway-requests.ts';
import type { SandboxPool } from '../sandbox/pool.ts';
import { SandboxLostError } from '../sandbox/sandbox-lost.ts';
import { sendJson } from './server.ts';

const MIB = 1024 * 1024;
const MAX_BODY_BYTES = 4096;

/** It waits longer for a place than a call, since nobody waits for its answer. */
const WAIT_MS = 20_000;
const MAX_LOAD_MS = 30_000;
/** Without limits of its own: of a gateway of an earlier release. */
const DEFAULT_LIMITS = { timeout_ms: 25_000, memory_mb: 128 };

export interface WarmDeps {
  pool: Pick<SandboxPool, 'place'>;
  concurrency: Concurrency;
  bundles: Pick<BundleCache, 'artifact'>;
}

/**
 * `POST /v1/warm`: the artifact is fetched, verified and loaded where it can disturb no call, so that the next execution finds it there.
 * Safe to repeat. Throws BUNDLE_UNAVAILABLE, ARTIFACT_INVALID, GUEST_TRAPPED, GUEST_TIMEOUT, GUEST_OUT_OF_MEMORY, RUNNER_BUSY,
 * CONCURRENCY_LIMITED.
 */
export function createWarmHandler(
  deps: WarmDeps,
): (req: IncomingMessage, res: ServerResponse, from: GatewayRequest) => Promise<void> {
  return async (_req, res, from) => {
    const started = performance.now();
    const body = parseJson(await from.body(MAX_BODY_BYTES));
    const request = parseInput(warmRequest, body, 'the body is no warm request');
    const waited = new AbortController();
    const busy = new PlatformError('RUNNER_BUSY', `no sandbox was free within ${WAIT_MS} ms`);
    const timer = setTimeout(() => waited.abort(busy), WAIT_MS);
    const whose = { tenantId: request.tenant_id };
    try {
      await deps.concurrency.run(whose, waited.signal, () => load(deps, request, waited.signal));
    } finally {
      clearTimeout(timer);
    }
    sendJson(res, 200, { loaded: true, duration_ms: performance.now() - started });
  };
}

async function load({ pool, bundles }: WarmDeps, request: WarmRequest, signal: AbortSignal): Promise<void> {
  const { tenant_id: tenantId, content_hash: contentHash, limits = DEFAULT_LIMITS } = request;
  const artifact = await bundles.artifact(contentHash);
  const memoryBytes = limits.memory_mb * MIB;
  // What it is loaded for names no install; calls of one take the process over.
  const place = await pool.place(
    { tenantId, contentHash, memoryBytes, group: '', isTrial: true, isAside: true },
    signal,
  );
  let how: 'failed' | undefined = 'failed';
  try {
    await place.sandbox.load(artifact, Math.min(START_WITHIN_MS + limits.timeout_ms, MAX_LOAD_MS));
    how = undefined;
  } catch (err) {
    throw err instanceof SandboxLostError ? lost(err) : err;
  } finally {
    place.release(how);
  }
}

function lost(err: SandboxLostError): PlatformError {
  const cause = { cause: err };
  if (err.reason === 'memory') {
    return new PlatformError('GUEST_OUT_OF_MEMORY', 'it takes too much memory when it is loaded', cause);
  }
  return new PlatformError('RUNNER_BUSY', 'the sandbox was stopped while it loaded', cause);
}
