import { activityInfo } from '@temporalio/activity';
import type { ActivityInboundCallsInterceptor } from '@temporalio/worker';
import { isPlatformError } from '../core/errors.ts';
import { toApplicationFailure } from '../platform/temporal/failures.ts';

/** The edge of the workers: a PlatformError leaves with its code as failure type. Anything else keeps Temporal's default: retry. */
export const failureInterceptor: ActivityInboundCallsInterceptor = {
  async execute(input, next) {
    try {
      return await next(input);
    } catch (err) {
      if (!isPlatformError(err)) throw err;
      throw toApplicationFailure(err, activityInfo().attempt);
    }
  },
};
