// Loaded before a worker's main: each attempt at an activity of its may fail before it begins, or after it is done, as if its answer was lost.
import { createHash } from 'node:crypto';
import { Context } from '@temporalio/activity';
import { Worker, type ActivityInboundCallsInterceptor, type WorkerOptions } from '@temporalio/worker';
import { z } from 'zod';
import { PlatformError } from '../../core/errors.ts';

const { seed, failing, lost } = z
  .object({ seed: z.string(), failing: z.coerce.number(), lost: z.coerce.number() })
  .parse(JSON.parse(process.env['ACTIVITY_FAULTS'] ?? '{}'));

/** Half of their failures are a verdict, and for good; whatever else fails is ours, and is tried until it is done. */
const JUDGED = ['warmInstall', 'probeInstall', 'verifyVersion'];
/** Housekeeping gives up a part after some tries, and whether it finds anything is what a run asks. */
const SPARED = /^sweep/;

const interceptor: ActivityInboundCallsInterceptor = {
  async execute(input, next) {
    const { activityType } = Context.current().info;
    if (SPARED.test(activityType)) return next(input);
    const drawn = draw(activityType);
    if (drawn < failing) {
      throw JUDGED.includes(activityType) && drawn < failing / 2
        ? new PlatformError('HEALTH_CHECK_FAILED', 'the version is judged unfit')
        : new PlatformError('DATABASE_UNAVAILABLE', 'the activity is not let begin');
    }
    const result = await next(input);
    if (drawn > 1 - lost) throw new PlatformError('DATABASE_UNAVAILABLE', 'the answer is lost');
    return result;
  },
};

let drawnSoFar = 0;

/** Between 0 and 1, from the seed and how many were drawn before. */
function draw(activityType: string): number {
  drawnSoFar += 1;
  const digest = createHash('sha256').update(`${seed}/${activityType}/${drawnSoFar}`).digest();
  return digest.readUInt32BE() / 2 ** 32;
}

const create = Worker.create.bind(Worker);
Worker.create = (options: WorkerOptions) => {
  const { activity = [], ...others } = options.interceptors ?? {};
  // The innermost, so that what it throws leaves as every error of an activity does.
  return create({
    ...options,
    interceptors: { ...others, activity: [...activity, () => ({ inbound: interceptor })] },
  });
};
