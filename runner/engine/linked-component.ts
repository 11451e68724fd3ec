import type { LinkedPlan } from '../../core/component/plan.ts';
import { SUSPENDING_IMPORTS } from '../../core/world.ts';
import { className } from './abi/host-function.ts';
import { linkComponent, type LinkedInstance } from './abi/link.ts';
import {
  compileModules,
  createCurrentCall,
  createStartCall,
  moduleOf,
  type Component,
  type Instance,
} from './component.ts';
import { CoreInstances } from './core-instances.ts';
import type { Beginning } from './kept-memory.ts';
import type { EngineArtifact, GuestRequest, GuestResponse } from './engine.ts';
import { FuelMeter, startLimits } from './fuel-meter.ts';
import { hostImports } from './host-imports.ts';
import { SliceSize } from './slice-size.ts';
import { createTurns, type Turns } from './turns.ts';
import { InputStream, OutputStream } from './wasi-streams.ts';

const SUSPENDING: ReadonlySet<string> = new Set(SUSPENDING_IMPORTS);

/** A component that is linked by its plan: its instances are metered, interrupted and, where that is enough, rewound. */
export async function compileLinked(
  { coreModules, imports }: Pick<EngineArtifact, 'coreModules' | 'imports'>,
  plan: LinkedPlan,
  turns: Turns = createTurns(),
): Promise<Component> {
  const modules = await compileModules(coreModules);
  const inOrder = plan.modules.map((name) => moduleOf(modules, name));
  // Classes are the same in every instance; only what is called needs a call.
  const classes = hostImports(imports, createCurrentCall().get);
  const component = linkComponent(plan, {
    isOf(resource, object) {
      const { interface: name = '', name: type = '' } = plan.resources[resource] ?? {};
      const known = classes[name]?.[className(type)];
      return typeof known === 'function' && object instanceof known;
    },
    suspends: (name) => SUSPENDING.has(name),
  });
  const sliceSize = new SliceSize();
  let beginnings: readonly Beginning[] | undefined;

  function instantiate(deadline?: number): Instance {
    const meter = new FuelMeter(() => turns.next(plan), sliceSize);
    const cores = new CoreInstances(meter);
    const current = createCurrentCall();
    const start = createStartCall();
    current.set(start.call);
    meter.begin(startLimits(deadline), false);
    const linked = component.instantiate(hostImports(imports, current.get), {
      instantiate: (module, given) => cores.instantiate(inOrder[module] ?? moduleOf(modules, ''), given),
      written: (memory) => cores.written(memory),
      withoutWaiting: meter.withoutWaiting,
      charge: meter.charge,
      chargeCall: meter.chargeCall,
      onWait: () => current.get().onWait?.(),
    });
    current.set(undefined);
    const alike = !start.asked();
    const rewindable = alike && plan.notRewindable === undefined;
    const kept = cores.keep(rewindable, alike ? beginnings : undefined);
    if (alike) beginnings = kept;
    return instanceOf(linked, { meter, cores, current, rewindable });
  }

  return { instantiate };
}

interface Parts {
  meter: FuelMeter;
  cores: CoreInstances;
  current: ReturnType<typeof createCurrentCall>;
  rewindable: boolean;
}

function instanceOf(linked: LinkedInstance, { meter, cores, current, rewindable }: Parts): Instance {
  return {
    run(request: GuestRequest, call, limits) {
      current.set(call);
      cores.limitMemory(limits.memoryBytes);
      meter.begin(limits, true);
      return linked.handler(request) as Promise<GuestResponse>;
    },
    abandon() {
      current.set(undefined);
      meter.stop('deadline');
    },
    rewind() {
      current.set(undefined);
      linked.dropHandles();
      return rewindable && cores.rewind();
    },
    async stay() {
      await linked.freeAnswer();
      current.set(undefined);
      // Language runtimes hold standard streams for good, and these know no call. What else is open would be used in the next one.
      return linked.holdsOnly((object) => object instanceof InputStream || object instanceof OutputStream);
    },
    get memoryBytes() {
      return cores.memoryBytes;
    },
    get outOfMemory() {
      return cores.growthRefused ?? false;
    },
    get fuel() {
      return meter.used;
    },
    get stopped() {
      return meter.stopped;
    },
  };
}
