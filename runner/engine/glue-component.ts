import { memoryMaximumBytes } from '../../core/wasm/limit-memory.ts';
import { compileModules, createCurrentCall, createStartCall, moduleOf, type Component } from './component.ts';
import { CoreInstances } from './core-instances.ts';
import type { EngineArtifact, GuestRequest, GuestResponse } from './engine.ts';
import { FuelMeter, startLimits } from './fuel-meter.ts';
import { hostImports } from './host-imports.ts';

interface Glue {
  instantiate(
    getCoreModule: (name: string) => WebAssembly.Module,
    imports: Record<string, Record<string, unknown>>,
    instantiateCore: (module: WebAssembly.Module, imports?: WebAssembly.Imports) => WebAssembly.Instance,
  ): { handler: (request: GuestRequest) => Promise<GuestResponse> };
}

/**
 * A component that jco's glue links: one whose shape a plan cannot tell, or precompiled by an earlier release. The glue's own state
 * cannot be rewound, so an instance serves one call; frames of JavaScript lie anywhere, so it never takes turns.
 */
export async function compileGlued(
  { coreModules, imports }: Pick<EngineArtifact, 'coreModules' | 'imports'>,
  glue: Uint8Array,
): Promise<Component> {
  // A sandbox has no files: a data URL is the way to import code there.
  const url = `data:text/javascript;base64,${Buffer.from(glue).toString('base64')}`;
  const [namespace, modules] = await Promise.all([import(url) as Promise<Glue>, compileModules(coreModules)]);

  const memoryMaximum = Object.values(coreModules).reduce((sum, bytes) => sum + memoryMaximumBytes(bytes), 0);

  return {
    instantiate(deadline) {
      const meter = new FuelMeter();
      const cores = new CoreInstances(meter);
      const current = createCurrentCall();
      current.set(createStartCall().call);
      const instantiated = new Set<WebAssembly.Module>();
      meter.begin(startLimits(deadline), false);
      const { handler } = namespace.instantiate(
        (name) => moduleOf(modules, name),
        hostImports(imports, () => {
          meter.chargeCall();
          return current.get();
        }),
        (module, given) => {
          // The memory cap is written into the module, so a module instantiated twice would have it twice.
          if (instantiated.has(module))
            throw new WebAssembly.LinkError('a core module is instantiated twice');
          instantiated.add(module);
          return cores.instantiate(module, given);
        },
      );
      cores.keep(false);
      return {
        run(request, call, limits) {
          current.set(call);
          cores.limitMemory(limits.memoryBytes);
          meter.begin(limits, false);
          call.onWait?.(); // the glue does not tell when
          return handler(request);
        },
        abandon() {
          current.set(undefined);
          meter.stop('deadline');
        },
        rewind: () => false,
        stay: () => Promise.resolve(false), // what the glue itself holds of a call cannot be taken from it
        get memoryBytes() {
          return cores.memoryBytes;
        },
        /**
         * Modules of an earlier release do not tell. One that holds at least half of its maximum is taken to have failed to grow, since
         * allocators ask for chunks and double what they hold.
         */
        get outOfMemory() {
          return cores.growthRefused ?? cores.memoryBytes >= memoryMaximum / 2;
        },
        get fuel() {
          return meter.used;
        },
        get stopped() {
          return meter.stopped;
        },
      };
    },
  };
}
