import type { BinaryReader } from '../wasm/binary.ts';
import type { TaskFunction } from './plan.ts';

/**
 * What wit-bindgen's runtime imports for asynchronous functions, in components that have none as well. There is nothing then that a set
 * of waitables could hold and no subtask, so what takes one traps, as the canonical ABI has it; so does `task.cancel` where nobody asked for it.
 */
const TASK_FUNCTIONS: Readonly<Record<number, { task: TaskFunction; skip?: 1 }>> = {
  0x05: { task: 'trap' }, // task.cancel
  0x06: { task: 'trap', skip: 1 }, // subtask.cancel, which may be asynchronous
  0x0a: { task: 'context.get', skip: 1 }, // of a core type, which is i32 in memories of 32 bits
  0x0b: { task: 'context.set', skip: 1 },
  0x0d: { task: 'trap' }, // subtask.drop
  0x1f: { task: 'waitable-set.new' },
  0x22: { task: 'waitable-set.drop' },
  0x23: { task: 'trap' }, // waitable.join
};

/** The rest of a canonical function of that kind; undefined where it is another. */
export function readTaskFunction(
  kind: number,
  reader: BinaryReader,
): { task: TaskFunction; slot: number } | undefined {
  const known = TASK_FUNCTIONS[kind];
  if (!known) return undefined;
  if (known.skip) reader.byte();
  const slot = known.task.startsWith('context') ? reader.u32() : 0;
  return { task: known.task, slot };
}
