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

  class Memory {
    constructor(limits: { initial: number });
    readonly buffer: ArrayBuffer;
    /** Throws a RangeError beyond its maximum. */
    grow(pages: number): number;
  }

  class Global<Value extends number | bigint = number> {
    constructor(type: { value: string; mutable: boolean }, value: Value);
    value: Value;
  }

  /** A host function for which the guest waits (JSPI) where it answers with a promise. */
  class Suspending {
    constructor(run: (...args: never[]) => unknown);
    private readonly wrapped: undefined;
  }

  /** An export that answers with a promise, since what it calls may wait. */
  function promising(run: (...args: never[]) => unknown): (...args: (number | bigint)[]) => Promise<unknown>;

  class LinkError extends Error {}
  class CompileError extends Error {}
  class RuntimeError extends Error {}

  function validate(bytes: Uint8Array): boolean;
  function compile(bytes: Uint8Array): Promise<Module>;
}
