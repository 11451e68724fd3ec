import { parentPort, workerData } from 'node:worker_threads';
import { isPlatformError } from '../../core/errors.ts';
import type { ThreadAnswer, ThreadTask } from './generate-in-thread.ts';
import { limitOwnMemory } from './limit-own-memory.ts';

// A thread of precompile-child.ts: says that its tools are loaded, then what they make of the component.

const { component, toolMemoryMb } = workerData as ThreadTask;
limitOwnMemory(toolMemoryMb);
const { generateChecked } = await import('./generate-checked.ts');
parentPort?.postMessage('loaded');
parentPort?.postMessage(await answer());

async function answer(): Promise<ThreadAnswer> {
  try {
    const { files, ...generated } = await generateChecked(component);
    return { generated: { ...generated, files: files.filter(([name]) => !name.endsWith('.d.ts')) } };
  } catch (error) {
    if (!isPlatformError(error)) throw error;
    const { code, message, details } = error;
    return { refused: { code, message, details } };
  }
}
