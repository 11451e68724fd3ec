import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { $init, generateTypes } from '@bytecodealliance/jco-transpile/component';
import { readWit } from '../platform/component/check-world-types.ts';

/** Where an author's project has them; other guests of ours read them there. */
export const GUEST_TYPES = path.join(
  import.meta.dirname,
  '..',
  'examples',
  'hello',
  'types',
  'alga-extension.d.ts',
);

/**
 * The interfaces of `wit/` as a guest in TypeScript imports them, one module each. What jco's `generateGuestTypes` runs, from text: that one reads
 * files through a shim whose file access does not work in the version that it comes with.
 */
export async function guestTypes(): Promise<string> {
  await $init;
  const files = generateTypes('runner', {
    wit: { tag: 'source', val: await readWit() },
    world: 'runner',
    guest: true,
    tlaCompat: false,
    features: { tag: 'list', val: [] },
    flagsAsBigint: false,
    variantsInlineCases: false,
    useNamespaceObjects: false,
    enumValuesScreamingSnakeCase: false,
  });
  const modules = files
    .filter(([name]) => name.startsWith('interfaces/'))
    .map(([, bytes]) => new TextDecoder().decode(bytes).replace(/^\/\/\/ <reference .*\n/gm, ''));
  return `// Made of wit/ by "npm run guest-types".\n\n${modules.map((text) => text.trim()).join('\n\n')}\n`;
}

if (import.meta.main) await writeFile(GUEST_TYPES, await guestTypes());
