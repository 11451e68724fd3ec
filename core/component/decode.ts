import { ComponentInstance, type Gathered } from './component-instance.ts';
import { UnlinkableError } from './decode-types.ts';
import type { LinkPlan } from './plan.ts';

const HANDLER = 'handler';

/** The core modules of a component, and how they are linked. */
export interface DecodedComponent {
  modules: Uint8Array[];
  plan: LinkPlan;
}

/**
 * Reads a component that was validated. Throws UnlinkableError where it uses what a plan cannot say: resources of its own, asynchronous
 * functions, strings that are not UTF-8.
 */
export function decodeComponent(component: Uint8Array): DecodedComponent {
  const gathered: Gathered = {
    modules: [],
    table: { types: [], resources: [] },
    lowers: [],
    steps: [],
    instances: 0,
    expanded: 0,
  };
  const handler = new ComponentInstance(gathered).read(component).get(HANDLER);
  if (!handler || !('func' in handler) || !('lift' in handler.func)) {
    throw new UnlinkableError('a handler that is not its own function');
  }
  const { modules, table, lowers, steps, instances } = gathered;
  const { types, resources } = table;
  return {
    modules,
    plan: { types, resources, lowers, steps, handleTables: instances, handler: handler.func.lift },
  };
}
