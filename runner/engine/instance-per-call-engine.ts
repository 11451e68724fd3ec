import { PlatformError } from '../../core/errors.ts';
import { memoryMaximumBytes } from '../../core/wasm/limit-memory.ts';
import { camelCase, extensionInterface, withoutVersion, worldFunctions } from '../../core/world.ts';
import type {
  Engine,
  EngineArtifact,
  GuestOutcome,
  GuestRequest,
  GuestResponse,
  Host,
  HostReply,
  WitValue,
} from './engine.ts';
import { createWasi } from './wasi.ts';
import { witError } from './wasi-streams.ts';

interface Glue {
  instantiate(
    getCoreModule: (name: string) => WebAssembly.Module,
    imports: Record<string, Record<string, unknown>>,
    instantiateCore: (module: WebAssembly.Module, imports?: WebAssembly.Imports) => WebAssembly.Instance,
  ): { handler: (request: GuestRequest) => Promise<GuestResponse> };
}

interface Loaded {
  glue: Glue;
  modules: ReadonlyMap<string, WebAssembly.Module>;
  imports: readonly string[];
  /** Bytes that all memories of one instance may grow to. */
  memoryMaximum: number;
  /** Made while nobody waited, for the next call. */
  spare?: Instance | undefined;
}

/** A component instance that has served nobody yet. */
interface Instance {
  handler: (request: GuestRequest) => Promise<GuestResponse>;
  memories: ReadonlySet<WebAssembly.Memory>;
  /** Gives the instance its one call. */
  bind(call: Call): void;
}

/** Fresh state by a new instance for every call; calls run at once, each suspended (JSPI) while the host works for it. */
export function createInstancePerCallEngine(): Engine {
  const components = new Map<string, Promise<Loaded>>();
  const loaded = new Map<string, Loaded>();

  return {
    isLoaded: (contentHash) => loaded.has(contentHash),

    async load(artifact) {
      const { contentHash } = artifact;
      let loading = components.get(contentHash);
      if (!loading) {
        loading = compile(artifact);
        components.set(contentHash, loading);
        loading.catch(() => components.delete(contentHash));
      }
      loaded.set(contentHash, await loading);
    },

    execute: async (contentHash, request, host) => {
      const component = loaded.get(contentHash);
      if (!component) throw new Error(`component ${contentHash} is not loaded`);
      return runOnce(component, request, host);
    },
  };
}

async function compile({ glue, coreModules, imports }: EngineArtifact): Promise<Loaded> {
  // A sandbox has no files: a data URL is the way to import code there.
  const url = `data:text/javascript;base64,${Buffer.from(glue).toString('base64')}`;
  const [namespace, modules] = await Promise.all([
    import(url) as Promise<Glue>,
    Promise.all(
      Object.entries(coreModules).map(
        async ([name, bytes]) => [name, await WebAssembly.compile(bytes)] as const,
      ),
    ),
  ]);
  const memoryMaximum = Object.values(coreModules).reduce((sum, bytes) => sum + memoryMaximumBytes(bytes), 0);
  const component: Loaded = { glue: namespace, modules: new Map(modules), imports, memoryMaximum };
  try {
    component.spare = instantiate(component);
  } catch (cause) {
    throw new PlatformError('GUEST_TRAPPED', 'the component cannot be instantiated', { cause });
  }
  return component;
}

async function runOnce(component: Loaded, request: GuestRequest, host: Host): Promise<GuestOutcome> {
  const call: Call = { host, wroteToStderr: false };
  let instance: Instance | undefined;
  try {
    instance = component.spare ?? instantiate(component);
    component.spare = undefined;
    instance.bind(call);
    const answered = instance.handler(request);
    const response = await answered;
    return { ok: true, response, memoryBytes: memoryBytes(instance) };
  } catch (error) {
    if (call.hostFault) throw call.hostFault.cause;
    const used = memoryBytes(instance);
    return { ok: false, ...classify(error, call, used, component.memoryMaximum), memoryBytes: used };
  } finally {
    // Instantiating is most of a small call's cost; the answer does not wait for the next call's share of it.
    setImmediate(prepare, component);
  }
}

function prepare(component: Loaded): void {
  if (component.spare) return;
  try {
    component.spare = instantiate(component);
  } catch {
    // The next call instantiates by itself and answers with the fault.
  }
}

function instantiate(component: Loaded): Instance {
  const memories = new Set<WebAssembly.Memory>();
  let bound: Call | undefined;
  const currentCall = (): Call => {
    if (!bound) throw new WebAssembly.LinkError('the component calls the host while it is instantiated');
    return bound;
  };
  const { handler } = component.glue.instantiate(
    (name) => coreModule(component, name),
    buildImports(component.imports, currentCall),
    createInstantiateCore(memories),
  );
  return {
    handler,
    memories,
    bind: (call) => {
      bound = call;
    },
  };
}

function coreModule({ modules }: Loaded, name: string): WebAssembly.Module {
  const module = modules.get(name);
  if (!module) throw new Error(`the artifact has no core module ${name}`);
  return module;
}

type InstantiateCore = Parameters<Glue['instantiate']>[2];

function createInstantiateCore(memories: Set<WebAssembly.Memory>): InstantiateCore {
  const instantiated = new Set<WebAssembly.Module>();
  return (module, imports) => {
    // The memory cap is written into the module, so a module instantiated twice would have it twice.
    if (instantiated.has(module)) throw new WebAssembly.LinkError('a core module is instantiated twice');
    instantiated.add(module);
    const instance = new WebAssembly.Instance(module, imports);
    for (const value of Object.values(instance.exports)) {
      if (value instanceof WebAssembly.Memory) memories.add(value);
    }
    return instance;
  };
}

/** What one execution leaves behind besides its answer. */
interface Call {
  host: Host;
  wroteToStderr: boolean;
  /** Set when the host itself failed, so that its failure is not taken for the guest's. */
  hostFault?: { cause: unknown };
}

function buildImports(
  names: readonly string[],
  currentCall: () => Call,
): Record<string, Record<string, unknown>> {
  const wasi = createWasi((stream, bytes) => {
    const call = currentCall();
    if (stream === 'stderr') call.wroteToStderr = true;
    call.host.output(stream, bytes);
  });
  const imports: Record<string, Record<string, unknown>> = {};
  for (const name of names) {
    const interfaceName = extensionInterface(name);
    const provided =
      interfaceName === undefined ? wasi[withoutVersion(name)] : forward(interfaceName, currentCall);
    if (provided) imports[name] = provided;
  }
  return imports;
}

/** The functions of one interface of the world, each a call to the host. */
function forward(interfaceName: string, currentCall: () => Call): Record<string, unknown> {
  const functions: Record<string, unknown> = {};
  for (const [name, kind] of Object.entries(worldFunctions(interfaceName) ?? {})) {
    functions[camelCase(name)] = async (...args: WitValue[]): Promise<WitValue> => {
      const call = currentCall();
      const reply = await ask(call, interfaceName, name, args);
      if ('ok' in reply) return reply.ok;
      if (kind === 'result') throw witError(reply.err);
      const cause = new TypeError(`${interfaceName}.${name} has no error case`);
      call.hostFault = { cause };
      throw cause;
    };
  }
  return functions;
}

async function ask(call: Call, interfaceName: string, name: string, args: WitValue[]): Promise<HostReply> {
  try {
    return await call.host.call(interfaceName, name, args);
  } catch (cause) {
    call.hostFault = { cause };
    throw cause;
  }
}

function memoryBytes(instance: Instance | undefined): number {
  let sum = 0;
  for (const memory of instance?.memories ?? []) sum += memory.buffer.byteLength;
  return sum;
}

/**
 * A failed `memory.grow` cannot be seen from outside: a guest that aborts with at least half of its maximum in use is taken to have
 * failed to grow, since allocators ask for chunks and double what they hold. An abort after it wrote to standard error is how
 * language runtimes end on an uncaught exception or a panic; any other trap is a fault.
 */
function classify(
  error: unknown,
  { wroteToStderr }: Call,
  used: number,
  maximum: number,
): { code: 'GUEST_TRAPPED' | 'GUEST_OUT_OF_MEMORY' | 'GUEST_ERROR'; message: string } {
  // V8 reports a stack that overflowed, and the glue an address outside of the memory, as a RangeError.
  const trapped = error instanceof WebAssembly.RuntimeError || error instanceof RangeError;
  if (!trapped) {
    return {
      code: 'GUEST_ERROR',
      message: 'the guest answered with something that is no response of its world',
    };
  }
  if (used >= maximum / 2) {
    return { code: 'GUEST_OUT_OF_MEMORY', message: 'the guest aborted near its memory limit' };
  }
  return wroteToStderr
    ? { code: 'GUEST_ERROR', message: 'the guest ended with an error, which it wrote to standard error' }
    : { code: 'GUEST_TRAPPED', message: 'the guest trapped' };
}
