import type { CapabilityName, CapabilityScope } from '../../core/capabilities.ts';
import type { ExecuteRequest } from '../../core/execute.ts';
import { SecretValue } from '../../core/secret-value.ts';
import { bindHost, type BoundHost } from '../../runner/capabilities/index.ts';
import { SENDING_NOTHING } from './fake-egress.ts';

export const EXECUTION_CONTEXT = {
  request_id: 'request-1',
  execution_id: '00000000-0000-4000-8000-000000000001',
  tenant_id: '00000000-0000-4000-8000-000000000002',
  extension_id: '00000000-0000-4000-8000-000000000003',
  install_id: '00000000-0000-4000-8000-000000000004',
  version_id: '00000000-0000-4000-8000-000000000005',
  content_hash: `sha256:${'a'.repeat(64)}`,
  config_version: 1,
  trigger: 'http' as const,
};

/** What of an execution a test cares for. */
export interface BoundHostOptions {
  grants?: Partial<Record<CapabilityName, CapabilityScope>>;
  request?: Partial<ExecuteRequest>;
  now?: string;
  /** Opens secrets. */
  secretsKey?: SecretValue;
}

export interface TestedHost {
  host: BoundHost['call'];
  constants: BoundHost['constants'];
  /** Paths that the gateway was asked. */
  asked: string[];
  /** Lines of the guest. */
  logged: string[];
  /** Lines of the platform in the guest's log. */
  told: string[];
}

/** The host as an execution with these grants sees it. */
export function boundHost({
  grants = {},
  request = {},
  now = '2029-01-01T00:00:00Z',
  secretsKey = new SecretValue(''),
}: BoundHostOptions = {}): TestedHost {
  const asked: string[] = [];
  const logged: string[] = [];
  const told: string[] = [];
  const whole: ExecuteRequest = {
    context: EXECUTION_CONTEXT,
    http: { method: 'GET', path: '/', query: '', headers: {} },
    limits: { timeout_ms: 1000, memory_mb: 64, response_bytes: 1000 },
    config: { greeting: 'Hello' },
    providers: Object.entries(grants).map(([capability, scope]) => ({
      capability: capability as CapabilityName,
      scope: Object.fromEntries(Object.entries(scope).map(([key, values]) => [key, [...values]])),
    })),
    ...request,
  };
  const bound = bindHost(
    {
      request: whole,
      executionToken: 'token',
      signal: new AbortController().signal,
      guestLog: (level, message) => logged.push(`${level}: ${message}`),
      timeLeftMs: () => 1_000,
      hostLog: (line) => told.push(line),
      used: { egressBytes: 0 },
    },
    {
      hostApi: {
        call: (path) => {
          asked.push(path);
          return Promise.resolve({ code: 'INTERNAL' });
        },
      },
      ...SENDING_NOTHING,
      secretsKey,
      now: () => Date.parse(now),
    },
  );
  return { host: bound.call, constants: bound.constants, asked, logged, told };
}
