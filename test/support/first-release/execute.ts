import { z } from 'zod';
import { firstExecuteRequest } from '../first-execute-contract.ts';

export * from '../../../core/execute.ts';
export const executeRequest = firstExecuteRequest;
/** It took no other member here either. */
export const warmRequest = z.strictObject({
  tenant_id: z.uuid(),
  content_hash: z.string().regex(/^sha256:[0-9a-f]{64}$/),
});
