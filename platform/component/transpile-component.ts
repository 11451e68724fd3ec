import { decodeComponent } from '../../core/component/decode.ts';
import { UnlinkableError } from '../../core/component/decode-types.ts';
import type { LinkedPlan, LinkPlan } from '../../core/component/plan.ts';
import { PlatformError } from '../../core/errors.ts';
import { rewriteModules } from '../../core/wasm/rewrite.ts';
import { checkWorldTypes } from './check-world-types.ts';
import { generateGlue, type Generated } from './generate-glue.ts';

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
  const linked = planFor(component);
  if (linked) {
    const { modules, rewindable } = rewriteModules(linked.modules, { memoryMb });
    const { plan } = linked;
    return {
      coreModules: modules,
      plan: { ...plan, ...(!rewindable.yes && { notRewindable: rewindable.reason }) },
      imports: hostInterfaces(plan),
    };
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

/** Undefined for a component that uses what a plan cannot say. */
function planFor(
  component: Uint8Array,
): { modules: Record<string, Uint8Array>; plan: LinkedPlan } | undefined {
  try {
    const { modules, plan } = decodeComponent(component);
    const named = modules.map((bytes, index) => [`core${index}.wasm`, bytes] as const);
    return { modules: Object.fromEntries(named), plan: { ...plan, modules: named.map(([name]) => name) } };
  } catch (err) {
    if (err instanceof UnlinkableError) return undefined;
    throw err;
  }
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
