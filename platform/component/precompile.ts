import { PlatformError } from '../../core/errors.ts';
import {
  runComponentChild,
  senseless,
  UnprocessableError,
  type ChildOptions,
  type ComponentAnswer,
} from './component-child.ts';
import type { ComponentInspection } from './inspect-component.ts';
import type { ChildTask } from './precompile-protocol.ts';
import type { TranspiledComponent } from './transpile-component.ts';
import { createTurns } from './turns.ts';

/** jco takes about four times the size of the component, which a bundle limits to 64 MiB. */
const TOOL_MEMORY_MB = 768;

export interface ComponentOptions extends ChildOptions {
  /** Memory of jco and its like, which are WebAssembly. */
  toolMemoryMb?: number;
}

/**
 * inspectComponent in a child process of its own. In addition COMPONENT_INVALID if it outgrows the child's memory or time, or has
 * the child break off twice, and COMPONENT_TOOL_CRASHED if that ended before it turned to the component or was stopped by somebody.
 */
export async function inspectInChild(
  component: Uint8Array,
  { toolMemoryMb = TOOL_MEMORY_MB, ...options }: ComponentOptions,
): Promise<ComponentInspection> {
  const { answer } = await runTask({ kind: 'inspect', toolMemoryMb }, component, options);
  if (answer.kind !== 'inspected') throw senseless(`it answered "${answer.kind}"`);
  return answer.inspection;
}

/** transpileComponent in a child process of its own; in addition it throws what inspectInChild does. */
export async function precompileComponent(
  component: Uint8Array,
  { memoryMb, toolMemoryMb = TOOL_MEMORY_MB, ...options }: ComponentOptions & { memoryMb: number },
): Promise<TranspiledComponent> {
  const { answer, body } = await runTask({ kind: 'precompile', toolMemoryMb, memoryMb }, component, options);
  if (answer.kind !== 'precompiled') throw senseless(`it answered "${answer.kind}"`);
  const { imports, plan, glue, coreModules } = answer;
  if (!plan && glue === undefined) throw senseless('it sent neither a plan nor glue');
  const parts = split(body, [...(glue === undefined ? [] : [glue]), ...coreModules.map(({ size }) => size)]);
  const glueBytes = glue === undefined ? undefined : parts.shift();
  return {
    imports,
    ...(plan && { plan }),
    ...(glueBytes && { glue: glueBytes }),
    coreModules: Object.fromEntries(coreModules.map(({ name }, at) => [name, parts[at] ?? new Uint8Array()])),
  };
}

const turns = createTurns();

/** A child that came to no answer is run once more with no other beside it, before the component is blamed. */
async function runTask(
  task: ChildTask,
  component: Uint8Array,
  options: ChildOptions,
): Promise<{ answer: ComponentAnswer; body: Uint8Array }> {
  const run = (): ReturnType<typeof runComponentChild> => runComponentChild(task, component, options);
  try {
    return await turns.beside(run);
  } catch (err) {
    if (!(err instanceof UnprocessableError)) throw err;
  }
  try {
    return await turns.alone(run);
  } catch (err) {
    if (!(err instanceof UnprocessableError)) throw err;
    throw new PlatformError('COMPONENT_INVALID', err.message);
  }
}

function split(body: Uint8Array, sizes: readonly number[]): Uint8Array[] {
  let at = 0;
  const parts = sizes.map((size) => body.subarray(at, (at += size)));
  if (at !== body.length) throw senseless('its answer is shorter or longer than it says');
  return parts;
}
