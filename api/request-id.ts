import { randomUUID } from 'node:crypto';
import type { RequestHandler, Response } from 'express';
import { isRequestId } from '../core/ids.ts';

/** Gives every answer an `x-request-id`: the client's if it is well-formed, as a correlation id only, else our own. */
export const assignRequestId: RequestHandler = (req, res, next) => {
  const sent = req.get('x-request-id');
  const requestId = sent !== undefined && isRequestId(sent) ? sent : randomUUID();
  res.locals['requestId'] = requestId;
  res.set('x-request-id', requestId);
  next();
};

export function requestIdOf(res: Response): string {
  return (res.locals as { requestId: string }).requestId;
}
