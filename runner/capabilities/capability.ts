import type { CapabilityName, CapabilityScope } from '../../core/capabilities.ts';
import type { ExecuteRequest } from '../../core/execute.ts';
import type { SecretValue } from '../../core/secret-value.ts';
import type { Egress } from '../../platform/egress/egress.ts';
import type { GuestMetrics } from '../guest-metrics.ts';
import type { HostReply, WitValue } from '../engine/engine.ts';
import type { Denials } from './denied.ts';

/** A host function: what the guest passed, as WIT lowers it. Checks its arguments, because the sandbox is not trusted. */
export type HostFunction = (args: readonly WitValue[]) => Promise<HostReply> | HostReply;

/** Answers that stay the same for a whole execution, by `interface.function`. */
export type Constants = Readonly<Record<string, HostReply>>;

/** Host functions by WIT interface (bare name) and function. */
export type HostInterfaces = Readonly<Record<string, Readonly<Record<string, HostFunction>>>>;

export type LogLevel = 'info' | 'warn' | 'error';

/** One execution, as capabilities see it. */
export interface CallContext extends Denials {
  request: ExecuteRequest;
  /** Presented to the gateway with every host call. */
  executionToken: string;
  /** Aborts when the execution ends, however it ends. */
  signal: AbortSignal;
  /** Of the guest's time. */
  timeLeftMs: () => number;
  guestLog: (level: LogLevel, message: string) => void;
  /** What it has used until now. */
  used: { egressBytes: number };
}

/** What capabilities reach the outside through. */
export interface CapabilityDeps {
  hostApi: HostApi;
  egress: Egress;
  countEgress: CountEgress;
  guestMetrics: Pick<GuestMetrics, 'emit' | 'drop'>;
  secretsKey: SecretValue;
  now: () => number;
}

/** A request of a guest to another system: how it ended, by the cases of `http-error`, and its bytes. */
export type CountEgress = (
  outcome: 'answered' | 'invalid-url' | 'not-allowed' | 'transport' | 'internal',
  bytes: { sent: number; received: number },
) => void;

/** `detail` says what is wrong with the arguments, or which limit was met. */
export type HostApiAnswer = { body: unknown; bytes?: Uint8Array } | { code: string; detail?: string };

/** The gateway's host API: `POST /api/internal/host/{capability}/{verb}`. */
export interface HostApi {
  /**
   * Sends a JSON body, or the head of a frame if there are bytes too. Answers the JSON of a 200, with the bytes beside it if the gateway
   * framed it; or the code of a problem, GATEWAY_UNAVAILABLE when it could not be asked.
   */
  call(path: string, body: unknown, call: CallContext, bytes?: Uint8Array): Promise<HostApiAnswer>;
}

/** One thing a guest may be allowed to do. */
export interface Capability {
  readonly name: CapabilityName;
  /** For one execution: the sandbox is told them beforehand and need not ask. The scope is one that `grantScopeSchema` accepts. */
  constants?: (request: ExecuteRequest, scope: CapabilityScope) => Constants;
  /** For one execution, when it asks for the first time. */
  bind?: (call: CallContext, scope: CapabilityScope, deps: CapabilityDeps) => HostInterfaces;
}
