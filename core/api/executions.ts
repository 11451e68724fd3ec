import { z } from 'zod';
import { TRIGGERS } from '../execute.ts';
import { isRequestId } from '../ids.ts';
import { listQuery, pageOf } from './page.ts';
import type { Route } from './route.ts';
import { time, uuid } from './values.ts';

/** `interrupted`: it was begun, and what came of it is not known. */
const STATUSES = ['running', 'succeeded', 'failed', 'interrupted'] as const;

const execution = z.object({
  executionId: uuid,
  installId: uuid,
  extensionId: uuid,
  versionId: uuid,
  contentHash: z.string(),
  requestId: z.string(),
  /** W3C Trace Context. */
  traceId: z.string().optional(),
  trigger: z.enum(TRIGGERS),
  method: z.string(),
  path: z.string(),
  principal: z.string(),
  status: z.enum(STATUSES),
  httpStatus: z.int().optional(),
  errorCode: z.string().optional(),
  durationMs: z.number().optional(),
  cpuMs: z.number().optional(),
  fuel: z.number().optional(),
  memoryBytes: z.number().optional(),
  requestBytes: z.int(),
  responseBytes: z.int().optional(),
  startedAt: time,
});

/** A page may hold fewer items than `limit`, or none, and still have a cursor: filters are applied to a bounded number of rows at a time. */
export const listExecutions = {
  method: 'GET',
  path: '/api/v1/executions',
  query: listQuery.extend({
    installId: uuid.optional(),
    status: z.enum(STATUSES).optional(),
    since: time.optional(),
    until: time.optional(),
    minDurationMs: z.coerce.number<number | string>().min(0).optional(),
    requestId: z.string().refine(isRequestId, 'is no request id').optional(),
  }),
  answers: { 200: pageOf(execution) },
} satisfies Route;

export const readExecution = {
  method: 'GET',
  path: '/api/v1/executions/{executionId}',
  params: z.strictObject({ executionId: uuid }),
  answers: {
    200: execution.extend({
      /** Message and stack that the guest ended with, in the author's sources where the bundle has a source map. For `extension:debug`. */
      exception: z.string().optional(),
    }),
  },
} satisfies Route;
