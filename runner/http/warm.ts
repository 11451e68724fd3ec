import type { IncomingMessage, ServerResponse } from 'node:http';
import { PlatformError } from '../../core/errors.ts';
import { warmRequest } from '../../core/execute.ts';
import { parseInput } from '../../core/issues.ts';
import type { BundleCache } from '../cache/bundle-cache.ts';
import { parseJson } from './body.ts';
import type { GatewayRequest } from './gateway-requests.ts';
import type { SandboxPool } from '../sandbox/pool.ts';
import { SandboxLostError } from '../sandbox/sandbox.ts';
import { sendJson } from './server.ts';

const MAX_BODY_BYTES = 4096;

export interface WarmDeps {
  pool: Pick<SandboxPool, 'admit' | 'acquire'>;
  bundles: Pick<BundleCache, 'artifact'>;
}

/**
 * `POST /v1/warm`: the artifact is fetched, verified and loaded into the tenant's sandbox, so that the next execution finds it there.
 * Safe to repeat. Throws BUNDLE_UNAVAILABLE, ARTIFACT_INVALID, RUNNER_BUSY, CONCURRENCY_LIMITED.
 */
export function createWarmHandler({
  pool,
  bundles,
}: WarmDeps): (req: IncomingMessage, res: ServerResponse, from: GatewayRequest) => Promise<void> {
  return async (_req, res, from) => {
    const started = performance.now();
    const body = parseJson(await from.body(MAX_BODY_BYTES));
    const refusal = 'the body is no warm request';
    const { tenant_id: tenantId, content_hash: contentHash } = parseInput(warmRequest, body, refusal);
    await pool.admit(tenantId, async () => {
      const artifact = await bundles.artifact(contentHash);
      const sandbox = await pool.acquire(tenantId);
      await sandbox.load(artifact).catch((err: unknown) => {
        if (!(err instanceof SandboxLostError)) throw err;
        throw new PlatformError('RUNNER_BUSY', 'the sandbox was stopped while it loaded', { cause: err });
      });
    });
    sendJson(res, 200, { loaded: true, duration_ms: performance.now() - started });
  };
}
