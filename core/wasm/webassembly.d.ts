/** What we use of the WebAssembly JavaScript API; TypeScript declares it for browsers alone. */
declare namespace WebAssembly {
  type Imports = Record<string, Record<string, unknown>>;

  class Module {
    constructor(bytes: Uint8Array);
    static imports(module: Module): { module: string; name: string; kind: string }[];
    private readonly compiled: undefined;
  }

  class Instance {
    constructor(module: Module, imports?: Imports);
    readonly exports: Readonly<Record<string, unknown>>;
  }

  class Global<T = unknown> {
    constructor(type: { value: string; mutable: boolean }, value: T);
    value: T;
  }

  /** A function that a guest waits for (JSPI). */
  class Suspending {
    constructor(call: (...args: never[]) => unknown);
    private readonly wrapped: undefined;
  }

  class Memory {
    readonly buffer: ArrayBuffer;
  }

  class LinkError extends Error {}
  class RuntimeError extends Error {}

  function promising(call: (...args: never[]) => unknown): (...args: never[]) => Promise<unknown>;
  function validate(bytes: Uint8Array): boolean;
  function compile(bytes: Uint8Array): Promise<Module>;
}
