import { z } from 'zod';
import { manifestSchema } from './schema.ts';

export type JsonSchema = z.core.JSONSchema.JSONSchema;

/**
 * What a manifest may be, as JSON Schema (draft 2020-12), for editors. What it cannot say, such as that names must not repeat, publishing
 * says.
 */
export function manifestJsonSchema(): JsonSchema {
  return {
    title: 'Manifest of an extension',
    ...z.toJSONSchema(manifestSchema, { io: 'input' }),
  };
}
