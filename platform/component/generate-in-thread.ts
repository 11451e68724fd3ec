import { on } from 'node:events';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { PlatformError, type ErrorCode } from '../../core/errors.ts';
import type { Generated } from './generate-glue.ts';

const THREAD = join(import.meta.dirname, 'tools-thread.ts');

export interface ThreadTask {
  component: Uint8Array;
  toolMemoryMb: number;
}

/** Errors lose their class on the way between threads. */
export type ThreadAnswer =
  | { generated: Generated }
  | { refused: { code: ErrorCode; message: string; details: PlatformError['details'] } };

/** generateChecked in a thread of its own, which needs no turn of this one; in addition COMPONENT_TOOL_CRASHED if its tools are not loaded. */
export async function generateInThread(task: ThreadTask): Promise<Generated> {
  const thread = new Worker(THREAD, { workerData: task });
  const said = on(thread, 'message'); // rejects with what the thread fails of
  await said.next().catch((cause: unknown) => {
    throw new PlatformError('COMPONENT_TOOL_CRASHED', 'the tools that process components do not start', {
      cause,
    });
  });
  const { value } = (await said.next()) as { value: [ThreadAnswer] };
  const [answer] = value;
  if ('generated' in answer) return answer.generated;
  const { code, message, details } = answer.refused;
  throw new PlatformError(code, message, { details });
}
