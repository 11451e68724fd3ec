import { PlatformError } from '../errors.ts';
import { readLayout } from './layout.ts';
import { limitDefinedMemory, planMemory } from './limits.ts';
import { findRewindable, type Rewindable } from './rewindable.ts';
import { rewriteModule } from './rewrite-module.ts';

/** What the engine has to know of a rewritten module beside its bytes. */
export interface ModuleFacts {
  /** Where its memory is imported from; the memory's map goes with it. */
  memoryImport: { module: string; name: string } | undefined;
  /** What the memory it defines may grow to, in bytes; 0 without one. */
  memoryMaximum: number;
}

export interface RewrittenModules {
  modules: Record<string, Uint8Array>;
  facts: Record<string, ModuleFacts>;
  rewindable: Rewindable;
}

export interface RewriteOptions {
  /** What all memories and tables of an instance may take together. */
  memoryMb: number;
}

const PAGE_BYTES = 64 * 1024;

/**
 * Rewrites all core modules of a component, so that the engine can meter, limit, interrupt and rewind them; reserved.ts says what
 * they import and export afterwards. Throws COMPONENT_INVALID for what the engine refuses, for instructions that are not on the
 * list, and for what needs more memory than there may be.
 */
export function rewriteModules(
  modules: Readonly<Record<string, Uint8Array>>,
  { memoryMb }: RewriteOptions,
): RewrittenModules {
  // A module that is not valid could become valid by what is added, and use it.
  for (const [name, module] of Object.entries(modules)) checkValid(name, module);
  const layouts = Object.entries(modules).map(([name, module]) => readLayout(name, module));
  const plan = planMemory(layouts, memoryMb);
  const rewritten: RewrittenModules = { modules: {}, facts: {}, rewindable: findRewindable(layouts) };
  for (const layout of layouts) {
    const { name, memory } = layout;
    const bytes = rewriteModule(layout, plan);
    checkValid(name, bytes);
    rewritten.modules[name] = bytes;
    rewritten.facts[name] = {
      memoryImport: memory?.importedFrom,
      memoryMaximum:
        memory && !memory.importedFrom ? limitDefinedMemory(memory.limits, plan).maximum * PAGE_BYTES : 0,
    };
  }
  return rewritten;
}

function checkValid(name: string, module: Uint8Array): void {
  if (WebAssembly.validate(module)) return;
  throw new PlatformError(
    'COMPONENT_INVALID',
    'the component holds a core module that the engine refuses: it is malformed or uses a WebAssembly feature the engine lacks',
    { details: { module: name } },
  );
}
