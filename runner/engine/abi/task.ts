import type { TaskFunction } from '../../../core/component/plan.ts';
import type { CoreValue } from './converter.ts';
import { trap } from './guest-memory.ts';
import type { HandleTable } from './handle-table.ts';

/** Nothing in a component without asynchronous functions can be waited for. */
class WaitableSet {
  readonly isEmpty = true;
}

/** What a guest calls about the task it is in, as a core function of the component instance that `handles` belongs to. */
export function taskFunction(
  { task, slot }: { task: TaskFunction; slot: number },
  handles: HandleTable,
): (value: CoreValue) => CoreValue | undefined {
  switch (task) {
    case 'context.get':
      return () => handles.context[slot] ?? 0;
    case 'context.set':
      return (value) => {
        handles.context[slot] = value as number;
        return undefined;
      };
    case 'waitable-set.new':
      return () => handles.add(new WaitableSet());
    case 'waitable-set.drop':
      return (handle) => {
        if (!(handles.get((handle as number) >>> 0) instanceof WaitableSet)) throw trap('no set is dropped');
        handles.drop((handle as number) >>> 0);
        return undefined;
      };
    case 'trap':
      return () => {
        throw trap('the guest takes part in an asynchronous call, of which there is none');
      };
  }
}
