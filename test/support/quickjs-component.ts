import { componentize, componentParts } from '../../scripts/componentize.ts';

/** A component of QuickJS that runs `source`, as our builds make it. */
export async function quickJsComponent(source: string): Promise<Uint8Array> {
  return componentize(await componentParts(source, 'quickjs', []));
}
