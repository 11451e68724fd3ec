import type { z } from 'zod';
import { parseInput } from '../core/issues.ts';

/** A part of a request as its schema reads it. Throws INPUT_INVALID with every fault: paths and rules, never values. */
export function inputOf<Schema extends z.ZodType>(schema: Schema, value: unknown): z.output<Schema> {
  return parseInput(schema, value, 'the request has faults; see issues');
}
