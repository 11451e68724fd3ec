import type { LinkedPlan } from '../../core/component/plan.ts';

/** A component as precompile left it. */
export interface EngineArtifact {
  contentHash: string;
  /** Core modules by file name; `plan` and `glue` tell how they are put together. */
  coreModules: Readonly<Record<string, Uint8Array>>;
  /** For a component that can be linked without code made for it. */
  plan?: LinkedPlan;
  /** jco's, for any other. */
  glue?: Uint8Array;
  /** Import names of the component as the glue asks for them, e.g. `alga:extension/storage`. */
  imports: readonly string[];
}

/** `execute-request` of the world, as the glue lowers it. */
export interface GuestRequest {
  context: {
    requestId?: string;
    tenantId: string;
    extensionId: string;
    installId?: string;
    versionId?: string;
  };
  http: { method: string; url: string; headers: { name: string; value: string }[]; body?: Uint8Array };
}

export interface GuestResponse {
  status: number;
  headers: { name: string; value: string }[];
  body?: Uint8Array;
}

/** Values that cross between a guest and the host: what WIT types of our world become in JavaScript. */
export type WitValue =
  | string
  | number
  | bigint
  | boolean
  | undefined
  | Uint8Array
  | readonly WitValue[]
  | { readonly [field: string]: WitValue };

/** `err` is the payload of a WIT `result`'s error case. */
export type HostReply = { ok: WitValue } | { err: WitValue };

/**
 * Everything that a guest does not compute itself comes through here: what is given the same answers again does the same again, to the
 * unit of fuel.
 */
export interface Host {
  /** Milliseconds. */
  monotonicNow(): number;
  /** Milliseconds since 1970. */
  wallNow(): number;
  sleep(milliseconds: number): Promise<void>;
  fillRandom(bytes: Uint8Array): void;
  /** Told when the guest gives others their turn. */
  beforeTurn?(): void;
  /** `interfaceName` is the bare name within `alga:extension`, e.g. `storage`; `functionName` as in WIT, e.g. `list-entries`. */
  call(
    interfaceName: string,
    functionName: string,
    args: readonly WitValue[],
  ): HostReply | Promise<HostReply>;
  /** Bytes the guest wrote to standard output or error. */
  output(stream: 'stdout' | 'stderr', bytes: Uint8Array): void;
}

/** What an execution may use. */
export interface ExecutionLimits {
  timeoutMs: number;
  memoryMb: number;
  /** Units; without it, more than an honest guest can use before its deadline. */
  fuel?: number;
}

/** What an execution used. `fuel` is 0 for a component that was precompiled before there was fuel. */
export interface Usage {
  memoryBytes: number;
  fuel: number;
}

export type GuestFault =
  'GUEST_TRAPPED' | 'GUEST_OUT_OF_MEMORY' | 'GUEST_OUT_OF_FUEL' | 'GUEST_TIMEOUT' | 'GUEST_ERROR';

export type GuestOutcome = Usage &
  ({ ok: true; response: GuestResponse } | { ok: false; code: GuestFault; message: string });

/**
 * Runs guests inside a sandbox process. How an execution gets its fresh state is behind this seam and nowhere else.
 */
export interface Engine {
  /**
   * Compiles the modules once per process, and instantiates them once to see that it works; a second load of the same hash does
   * nothing. Answers the bytes of memory that an instance begins with. Throws GUEST_TRAPPED if the component cannot be instantiated;
   * anything else is a fault of the artifact.
   */
  load(artifact: EngineArtifact): Promise<{ memoryBytes: number }>;
  /** Lets go of everything that it holds for the component, shared instances too; calls under way end as they would have. */
  unload(contentHash: string): void;
  isLoaded(contentHash: string): boolean;
  /**
   * Never rejects for what a guest does: that is the outcome. A call finds fresh state; one that names a shared instance finds what an
   * earlier call of the same name left, if that is still there.
   */
  execute(
    contentHash: string,
    request: GuestRequest,
    host: Host,
    limits: ExecutionLimits,
    sharedInstance?: string,
  ): Promise<GuestOutcome>;
}
