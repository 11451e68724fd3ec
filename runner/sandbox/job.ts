import type { ExecutionLimits, GuestRequest, HostReply, WitValue } from '../engine/engine.ts';

/** One guest execution, as its sandbox needs it. */
export interface SandboxJob {
  contentHash: string;
  request: GuestRequest;
  responseBytes: number;
  limits: ExecutionLimits;
  /** Answers the sandbox gives its guest without asking, by `interface.function`. */
  constants: Readonly<Record<string, HostReply>>;
  /** Without it, fresh state. */
  sharedInstance?: string;
  /** Others have their turn while it computes. */
  takesTurns: boolean;
  onCall(interfaceName: string, functionName: string, args: readonly WitValue[]): Promise<HostReply>;
  onOutput(stream: 'stdout' | 'stderr', bytes: Uint8Array): void;
}
