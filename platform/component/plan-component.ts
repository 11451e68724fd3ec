import { decodeComponent } from '../../core/component/decode.ts';
import { UnlinkableError } from '../../core/component/decode-types.ts';
import type { LinkedPlan } from '../../core/component/plan.ts';
import { readLayout } from '../../core/wasm/layout.ts';
import { findRewindable } from '../../core/wasm/rewindable.ts';

/** Core modules by file name and how they are linked; or what the component uses that a plan cannot say, so that jco's glue links it. */
export type PlannedComponent =
  { modules: Record<string, Uint8Array>; plan: LinkedPlan } | { unlinkable: string };

/** Throws COMPONENT_INVALID for what the platform does not run. */
export function planComponent(component: Uint8Array): PlannedComponent {
  try {
    const { modules, plan } = decodeComponent(component);
    const named = modules.map((bytes, index) => [`core${index}.wasm`, bytes] as const);
    const rewindable = findRewindable(named.map(([name, bytes]) => readLayout(name, bytes)));
    return {
      modules: Object.fromEntries(named),
      plan: {
        ...plan,
        modules: named.map(([name]) => name),
        ...(!rewindable.yes && { notRewindable: rewindable.reason }),
      },
    };
  } catch (err) {
    if (err instanceof UnlinkableError) return { unlinkable: err.message };
    throw err;
  }
}
