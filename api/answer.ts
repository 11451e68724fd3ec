import type { Response } from 'express';
import { z } from 'zod';
import type { Route } from '../core/api/route.ts';
import { PlatformError } from '../core/errors.ts';

/** Sends what the route's schema for the status names of a value, and nothing else. */
export function answer<R extends Route, Status extends keyof R['answers'] & number>(
  res: Response,
  route: R,
  status: Status,
  value: z.output<R['answers'][Status]>,
): void {
  const body = onWire(route.answers[status] as z.ZodType, value);
  res.status(status);
  if (body === undefined) res.end();
  else res.json(body);
}

/** What a schema names of a value, in its wire form. A value that does not fit is a fault of ours, never of the request: INTERNAL. */
export function onWire<Schema extends z.ZodType>(schema: Schema, value: z.output<Schema>): z.input<Schema> {
  const encoded = z.safeEncode(schema, value);
  if (encoded.success) return encoded.data;
  throw new PlatformError('INTERNAL', 'an answer does not fit its schema', { cause: encoded.error });
}
