import { componentEmbed, componentNew, parse, print } from '@bytecodealliance/jco-transpile/wasm-tools';
import { readWit } from '../../platform/component/check-world-types.ts';

interface CoreOptions {
  /** Fields for the core module, in the text format. */
  fields?: string;
  stringEncoding?: 'utf8' | 'utf16';
}

/** A component with the imports and exports of a world, whose functions only trap: made in milliseconds, a few KB. */
export async function componentOfWorld(
  witSource: string,
  world: string,
  { fields = '', stringEncoding = 'utf8' }: CoreOptions = {},
): Promise<Uint8Array> {
  const core = await componentEmbed({ dummy: true, witSource, world, stringEncoding });
  const edited = (await print(core)).replace(/\)\s*$/, `${fields})`);
  return componentNew(await parse(edited), []);
}

/** The host world, whole; `edit` changes the WIT before it is built. */
export async function componentOfHostWorld(
  edit = (wit: string): string => wit,
  options: CoreOptions = {},
): Promise<Uint8Array> {
  return componentOfWorld(edit(await readWit()), 'runner', options);
}

/** A component of the host world that is made by hand: a core module as text. */
export async function componentOfText(wat: string): Promise<Uint8Array> {
  const embed = { binary: await parse(wat), witSource: await readWit(), world: 'runner' };
  return componentNew(await componentEmbed(embed), []);
}
