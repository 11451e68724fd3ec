import { PlatformError } from '../../core/errors.ts';
import { limitMemories } from '../../core/wasm/limit-memory.ts';
import { checkWorldTypes } from './check-world-types.ts';
import { generateGlue, type Generated } from './generate-glue.ts';

export interface TranspiledComponent {
  /** An ES module with jco's `instantiate(getCoreModule, imports, instantiateCore)`. */
  glue: Uint8Array;
  /** By the file name the glue asks for. */
  coreModules: Record<string, Uint8Array>;
  /** Keys of `imports` that the glue reads: interface names without version. */
  imports: string[];
}

/**
 * The component as the engine loads it. Everything the host does for the guest may suspend it (JSPI), so `handler` answers with
 * a promise. CPU-heavy and in full control of hostile bytes: run it through precompile.ts. Throws COMPONENT_INVALID or
 * WORLD_MISMATCH.
 */
export async function transpileComponent(
  component: Uint8Array,
  { memoryMb }: { memoryMb: number },
): Promise<TranspiledComponent> {
  const { files, imports } = await generateFor(component);
  const coreModules: Record<string, Uint8Array> = {};
  let glue: Uint8Array | undefined;
  for (const [name, bytes] of files) {
    if (name.endsWith('.wasm')) coreModules[name] = bytes;
    else if (name.endsWith('.js')) glue = bytes;
  }
  if (!glue) throw new PlatformError('INTERNAL', 'jco made no glue');
  await checkWorldTypes(files);
  const limited = limitMemories(coreModules, memoryMb);
  if (!Object.values(limited).every((module) => WebAssembly.validate(module))) {
    throw new PlatformError(
      'COMPONENT_INVALID',
      'the component holds a core module that the engine refuses: it is malformed or uses a WebAssembly feature the engine lacks',
    );
  }
  return { glue, coreModules: limited, imports };
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
