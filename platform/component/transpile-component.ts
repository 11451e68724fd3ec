import type { LinkedPlan, LinkPlan } from '../../core/component/plan.ts';
import { PlatformError } from '../../core/errors.ts';
import { rewriteModules } from '../../core/wasm/rewrite.ts';
import { generateChecked } from './generate-checked.ts';
import { planComponent } from './plan-component.ts';

export interface TranspiledComponent {
  /** By file name. */
  coreModules: Record<string, Uint8Array>;
  /** How the engine links them by itself. */
  plan?: LinkedPlan;
  /** Where a plan cannot say it: an ES module with jco's `instantiate(getCoreModule, imports, instantiateCore)`. */
  glue?: Uint8Array;
  /** Interfaces of the host, by the names that plan or glue have for them. */
  imports: string[];
}

/**
 * The component as the engine loads it, its core modules rewritten. Everything the host does for the guest may suspend it (JSPI), so
 * `handler` answers with a promise. CPU-heavy and in full control of hostile bytes: run it through precompile.ts. `generate` is what
 * generateChecked is, perhaps in a thread of its own. Throws COMPONENT_INVALID or WORLD_MISMATCH.
 */
export async function transpileComponent(
  component: Uint8Array,
  { memoryMb, generate = generateChecked }: { memoryMb: number; generate?: typeof generateChecked },
): Promise<TranspiledComponent> {
  const [generated, linked] = await Promise.allSettled([
    generate(component),
    rewriteLinked(component, memoryMb),
  ]);
  // What it says of a component is said first.
  if (generated.status === 'rejected') throw generated.reason;
  if (linked.status === 'rejected') throw linked.reason;
  if (linked.value) return linked.value;
  const { files, imports } = generated.value;
  const glue = files.find(([name]) => name.endsWith('.js'))?.[1];
  if (!glue) throw new PlatformError('INTERNAL', 'jco made no glue');
  const { modules } = rewriteModules(Object.fromEntries(files.filter(([name]) => name.endsWith('.wasm'))), {
    memoryMb,
  });
  return { coreModules: modules, glue, imports };
}

/** Undefined where no plan can say how it is linked. */
async function rewriteLinked(
  component: Uint8Array,
  memoryMb: number,
): Promise<TranspiledComponent | undefined> {
  await Promise.resolve(); // whoever generates has begun
  const planned = planComponent(component);
  if (!('plan' in planned)) return undefined;
  const { plan } = planned;
  const { modules } = rewriteModules(planned.modules, { memoryMb });
  return { coreModules: modules, plan, imports: hostInterfaces(plan) };
}

function hostInterfaces({ lowers, resources }: LinkPlan): string[] {
  const called = lowers.flatMap(({ target }) => ('lift' in target ? [] : [target.interface]));
  return [...new Set([...called, ...resources.map((resource) => resource.interface)])];
}
