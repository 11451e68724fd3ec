import { ALWAYS_GRANTED, type Grant } from '../../core/capabilities.ts';
import {
  START_WITHIN_MS,
  type ExecuteRequest,
  type HeaderMap,
  type RunnerAnnouncement,
  type Trigger,
} from '../../core/execute.ts';
import type { TraceContext } from '../../core/trace-context.ts';
import type { Known } from '../../platform/db/call-facts.ts';
import type { HydratedInstall } from '../../platform/db/hydration.ts';
import { secretEnvelopeOf } from './secret-envelope.ts';

const ENVELOPE_GRACE_MS = 5_000;

/** One call of a guest, before it is authorised. */
export interface ExecutionInput {
  executionId: string;
  requestId: string;
  trace: TraceContext;
  trigger: Trigger;
  /** A key id, or `worker`. */
  principal: string;
  method: string;
  /** Below the extension's own root, as the client sent it. */
  path: string;
  /** Without the question mark. */
  query: string;
  headers: HeaderMap;
  body: Uint8Array;
  timeoutMs: number;
  /** Whether it may be run once more if nobody knows whether it ran. */
  retryable: boolean;
  /** When what allows it was so, on the clock of `performance.now()`. */
  allowedAsOf: number;
  /** Looks again, also at what its endpoint says now. Throws what the call would be refused with. */
  allowAgain: () => Promise<Known<HydratedInstall> & Partial<EndpointTerms>>;
}

/** What an execution has from its endpoint. */
export type EndpointTerms = Pick<ExecutionInput, 'headers' | 'timeoutMs' | 'retryable'>;

/** What the runner is sent: nothing of the install that its grants do not open, and nothing that the runner does not know. */
export function executeRequestOf(
  hydrated: HydratedInstall,
  input: ExecutionInput,
  { secretsKeyId, now, announced }: { secretsKeyId: string; now: number; announced: RunnerAnnouncement },
): ExecuteRequest {
  const isKnown = ({ capability }: Grant): boolean => announced.capabilities.includes(capability);
  const install = { ...hydrated, grants: hydrated.grants.filter(isKnown) };
  const providers = withAlwaysGranted(install.grants).filter(
    (grant) => isKnown(grant) && !install.off.includes(grant.capability),
  );
  const { memoryMb, responseBytes, fuel } = install.limits;
  const expiresAt = now + START_WITHIN_MS + input.timeoutMs + ENVELOPE_GRACE_MS;
  const envelope = secretEnvelopeOf(install, { secretsKeyId, expiresAt });
  return {
    context: {
      request_id: input.requestId,
      execution_id: input.executionId,
      tenant_id: install.tenantId,
      extension_id: install.extensionId,
      install_id: install.installId,
      version_id: install.versionId,
      content_hash: install.contentHash,
      config_version: install.configVersion,
      trigger: input.trigger,
    },
    http: {
      method: input.method,
      path: input.path,
      query: input.query,
      headers: { ...input.headers, ...input.trace.headers },
    },
    limits: {
      timeout_ms: input.timeoutMs,
      memory_mb: memoryMb,
      response_bytes: responseBytes,
      ...(fuel !== undefined && announced.limits.includes('fuel') && { fuel }),
    },
    config: grantedConfig(install),
    providers: providers.map(({ capability, scope }) => ({
      capability,
      scope: Object.fromEntries(Object.entries(scope).map(([name, values]) => [name, [...values]])),
    })),
    // The first release takes no member that it does not know, nor sealed requests.
    ...(install.off.length > 0 && announced.seal_epoch !== undefined && { switched_off: [...install.off] }),
    ...(envelope && { secret_envelope: envelope }),
  };
}

/** The config, if the install may read it. */
export function grantedConfig({ grants, config }: HydratedInstall): ExecuteRequest['config'] {
  const granted = grants.some(({ capability }) => capability === 'config.read');
  return granted ? (config as ExecuteRequest['config']) : {};
}

function withAlwaysGranted(grants: readonly Grant[]): Grant[] {
  const names = new Set(grants.map(({ capability }) => capability));
  return [
    ...grants,
    ...ALWAYS_GRANTED.filter((name) => !names.has(name)).map((capability) => ({ capability, scope: {} })),
  ];
}
