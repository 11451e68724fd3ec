import { z } from 'zod';
import type { Route } from './route.ts';

/** What manifests may be, as JSON Schema (draft 2020-12), for editors. */
export const readManifestSchema = {
  method: 'GET',
  path: '/api/manifest.schema.json',
  answers: { 200: z.looseObject({ $schema: z.literal('https://json-schema.org/draft/2020-12/schema') }) },
} satisfies Route;
