import type { LinkedPlan, LinkPlan } from '../../core/component/plan.ts';
import { PlatformError } from '../../core/errors.ts';
import { rewriteModules } from '../../core/wasm/rewrite.ts';
import { checkWorldTypes } from './check-world-types.ts';
import { generateGlue, type Generated } from './generate-glue.ts';
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
 * `handler` answers with a promise. CPU-heavy and in full control of hostile bytes: run it through precompile.ts. Throws
 * COMPONENT_INVALID or WORLD_MISMATCH.
 */
export async function transpileComponent(
  component: Uint8Array,
  { memoryMb }: { memoryMb: number },
): Promise<TranspiledComponent> {
  const { files, imports } = await generateFor(component);
  await checkWorldTypes(files);
  const planned = planComponent(component);
  if ('plan' in planned) {
    const { plan } = planned;
    const { modules } = rewriteModules(planned.modules, { memoryMb });
    return { coreModules: modules, plan, imports: hostInterfaces(plan) };
  }
  const glue = files.find(([name]) => name.endsWith('.js'))?.[1];
  if (!glue) throw new PlatformError('INTERNAL', 'jco made no glue');
  const { modules } = rewriteModules(Object.fromEntries(files.filter(([name]) => name.endsWith('.wasm'))), {
    memoryMb,
  });
  return { coreModules: modules, glue, imports };
}

function hostInterfaces({ lowers, resources }: LinkPlan): string[] {
  const called = lowers.flatMap(({ target }) => ('lift' in target ? [] : [target.interface]));
  return [...new Set([...called, ...resources.map((resource) => resource.interface)])];
}

async function generateFor(component: Uint8Array): Promise<Generated> {
  try {
    return await generateGlue(component);
  } catch (cause) {
    throw new PlatformError(
      'COMPONENT_INVALID',
      'the component cannot be transpiled: it is malformed or uses a feature jco lacks',
      {
        cause,
        details: { reason: describe(cause) },
      },
    );
  }
}

function describe(cause: unknown): string {
  return (cause instanceof Error ? cause.message : String(cause)).slice(0, 500);
}
