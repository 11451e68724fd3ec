import { randomUUID } from 'node:crypto';
import type { ExecuteRequest } from '../../core/execute.ts';

/** Of an execution that nobody has seen before. */
export function executeRequest(overrides: Partial<ExecuteRequest> = {}): ExecuteRequest {
  return {
    context: {
      request_id: 'r',
      execution_id: randomUUID(),
      tenant_id: randomUUID(),
      extension_id: randomUUID(),
      install_id: randomUUID(),
      version_id: randomUUID(),
      content_hash: `sha256:${'a'.repeat(64)}`,
      config_version: 1,
      trigger: 'http',
    },
    http: { method: 'POST', path: '/echo', query: '', headers: {} },
    limits: { timeout_ms: 1000, memory_mb: 64, response_bytes: 1000 },
    config: {},
    providers: [],
    ...overrides,
  };
}
