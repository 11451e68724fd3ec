import { PlatformError } from '../../core/errors.ts';
import { checkWorldTypes } from './check-world-types.ts';
import { generateGlue, type Generated } from './generate-glue.ts';

/** What jco makes of a component whose interfaces are the platform's. Throws COMPONENT_INVALID or WORLD_MISMATCH. */
export async function generateChecked(component: Uint8Array): Promise<Generated> {
  const generated = await generateFor(component);
  await checkWorldTypes(generated.files);
  return generated;
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
