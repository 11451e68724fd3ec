/**
 * Why a sandbox process ended: by itself (`crashed`), because it said what no sandbox says (`protocol`), or by us. `unresponsive`: it did
 * not answer; `timeout`: a guest or a load did not end; `reclaimed`: nobody needed it, or others more; `closing`: the runner stops.
 */
export type LossReason =
  'crashed' | 'protocol' | 'unresponsive' | 'timeout' | 'memory' | 'reclaimed' | 'closing';

/** The process is gone. */
export class SandboxLostError extends Error {
  override readonly name = 'SandboxLostError';
  readonly reason: LossReason;
  /** Nothing of this execution had left the process, so it may run again elsewhere. */
  readonly unheard: boolean;
  /** What happened to the process is its doing: no other execution was in it meanwhile. */
  readonly blamed: boolean;

  constructor(reason: LossReason, unheard: boolean, blamed: boolean) {
    super(`the sandbox process is gone: ${reason}`);
    this.reason = reason;
    this.unheard = unheard;
    this.blamed = blamed;
  }
}
