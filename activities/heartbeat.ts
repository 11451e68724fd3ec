import { cancellationSignal, heartbeat } from '@temporalio/activity';

const INTERVAL_MS = 1000;

/**
 * Runs work that may take long and heartbeats until it ends, so that the death of this process is noticed within the activity's
 * heartbeat timeout, and a cancellation reaches the work through its signal.
 */
export async function withHeartbeat<Result>(work: (signal: AbortSignal) => Promise<Result>): Promise<Result> {
  heartbeat();
  const timer = setInterval(() => heartbeat(), INTERVAL_MS);
  try {
    return await work(cancellationSignal());
  } finally {
    clearInterval(timer);
  }
}
