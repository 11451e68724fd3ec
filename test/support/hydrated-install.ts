import { randomUUID } from 'node:crypto';
import type { ExecutionInput } from '../../api/execution/execute-request.ts';
import type { HydratedInstall } from '../../platform/db/hydration.ts';

/** An active install without grants, as the gateway reads it for a call. */
export function hydratedInstall(overrides: Partial<HydratedInstall> = {}): HydratedInstall {
  return {
    tenantId: randomUUID(),
    installId: randomUUID(),
    extensionId: randomUUID(),
    status: 'active',
    isActiveVersion: true,
    versionId: randomUUID(),
    versionStatus: 'published',
    contentHash: `sha256:${'a'.repeat(64)}`,
    limits: { timeoutMs: 1000, memoryMb: 64, responseBytes: 1000 },
    endpoints: [],
    config: {},
    configVersion: 1,
    grants: [],
    off: [],
    secrets: [],
    secretsVersion: 0,
    ...overrides,
  };
}

/** A GET of its root, which begins however long it is held up. */
export function executionInput(): ExecutionInput {
  return {
    executionId: randomUUID(),
    requestId: 'r',
    trace: { traceId: 'a'.repeat(32), headers: { traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-00` } },
    trigger: 'http',
    principal: 'k',
    method: 'GET',
    path: '/',
    query: '',
    headers: {},
    body: new Uint8Array(),
    timeoutMs: 1000,
    retryable: false,
    allowedAsOf: Infinity,
    allowAgain: () => Promise.resolve({ fact: hydratedInstall(), asOf: performance.now() }),
  };
}
