import { componentEmbed, componentNew } from '@bytecodealliance/jco-transpile/wasm-tools';
import { readWit } from '../../platform/component/check-world-types.ts';

/** A component with the imports and exports of a world, whose functions only trap: made in milliseconds, a few KB. */
export async function componentOfWorld(witSource: string, world: string): Promise<Uint8Array> {
  return componentNew(await componentEmbed({ dummy: true, witSource, world }), []);
}

/** The host world, whole; `edit` changes the WIT before it is built. */
export async function componentOfHostWorld(edit = (wit: string): string => wit): Promise<Uint8Array> {
  return componentOfWorld(edit(await readWit()), 'runner');
}
