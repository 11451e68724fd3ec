import { $init, generate } from '@bytecodealliance/jco-transpile/component';
import { SUSPENDING_IMPORTS } from '../../core/world.ts';

/** What jco makes of a component: glue, core modules and TypeScript declarations, by file name. */
export type Generated = ReturnType<typeof generate>;

/** jco with the options our engine relies on. Throws whatever jco throws. */
export async function generateGlue(component: Uint8Array): Promise<Generated> {
  await $init;
  return generate(component, {
    name: 'component',
    instantiation: { tag: 'sync' },
    asyncMode: { tag: 'jspi', val: { imports: [...SUSPENDING_IMPORTS], exports: ['handler'] } },
    noComponentErrorWrapping: true,
    noNodejsCompat: true,
    noNamespacedExports: true,
    base64Cutoff: 0,
  });
}
