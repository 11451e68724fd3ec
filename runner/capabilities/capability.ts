import type { CapabilityName, CapabilityScope } from '../../core/capabilities.ts';
import type { ExecuteRequest } from '../../core/execute.ts';
import type { SecretValue } from '../../core/secret-value.ts';
import type { HostReply, WitValue } from '../engine/engine.ts';

/** A host function: what the guest passed, as WIT lowers it. Checks its arguments, because the sandbox is not trusted. */
export type HostFunction = (args: readonly WitValue[]) => Promise<HostReply> | HostReply;

/** Answers that stay the same for a whole execution, by `interface.function`. */
export type Constants = Readonly<Record<string, HostReply>>;

/** Host functions by WIT interface (bare name) and function. */
export type HostInterfaces = Readonly<Record<string, Readonly<Record<string, HostFunction>>>>;

export type LogLevel = 'info' | 'warn' | 'error';

/** One execution, as capabilities see it. */
export interface CallContext {
  request: ExecuteRequest;
  /** Presented to the gateway with every host call. */
  executionToken: string;
  /** Aborts when the execution ends, however it ends. */
  signal: AbortSignal;
  guestLog: (level: LogLevel, message: string) => void;
}

/** What capabilities reach the outside through. */
export interface CapabilityDeps {
  hostApi: HostApi;
  secretsKey: SecretValue;
  now: () => number;
}

export type HostApiAnswer = { body: unknown; bytes?: Uint8Array } | { code: string };

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
