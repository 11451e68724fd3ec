/** A component as precompile left it: jco's glue and the core modules it instantiates, by file name. */
export interface EngineArtifact {
  contentHash: string;
  glue: Uint8Array;
  coreModules: Readonly<Record<string, Uint8Array>>;
  /** Import names of the component as jco's glue asks for them, e.g. `alga:extension/storage`. */
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

/** The one way from a guest to the host. Every call is asynchronous (JSPI suspends the guest). */
export interface Host {
  /** `interfaceName` is the bare name within `alga:extension`, e.g. `storage`; `functionName` as in WIT, e.g. `list-entries`. */
  call(interfaceName: string, functionName: string, args: readonly WitValue[]): Promise<HostReply>;
  /** Bytes the guest wrote to standard output or error. */
  output(stream: 'stdout' | 'stderr', bytes: Uint8Array): void;
}

export type GuestOutcome =
  | { ok: true; response: GuestResponse; memoryBytes: number }
  | {
      ok: false;
      code: 'GUEST_TRAPPED' | 'GUEST_OUT_OF_MEMORY' | 'GUEST_ERROR';
      message: string;
      memoryBytes: number;
    };

/**
 * Runs guests inside a sandbox process. How an execution gets its fresh state is behind this seam and nowhere else.
 */
export interface Engine {
  /**
   * Compiles the modules once per process, and instantiates them once to see that it works; a second load of the same hash does
   * nothing. Throws GUEST_TRAPPED if the component cannot be instantiated; anything else is a fault of the artifact.
   */
  load(artifact: EngineArtifact): Promise<void>;
  isLoaded(contentHash: string): boolean;
  /** Never rejects for what a guest does: that is the outcome. */
  execute(contentHash: string, request: GuestRequest, host: Host): Promise<GuestOutcome>;
}
