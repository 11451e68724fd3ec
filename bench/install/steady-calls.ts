import type { Pool } from 'undici';
import { callOnce } from './field.ts';

/** One call, as its client saw it; times in milliseconds on the clock of `performance.now()`. */
export interface Call {
  sentAt: number;
  endedAt: number;
  /** 0 if the connection was lost. */
  status: number;
}

/**
 * Calls the extension so many times a second, whether or not those before were answered, while the work runs. Answers what the work does,
 * and every call once all are answered.
 */
export async function callSteadily<Result>(
  gateway: Pool,
  key: string,
  perSecond: number,
  work: () => Promise<Result>,
): Promise<{ result: Result; calls: Call[] }> {
  const calls: Promise<Call>[] = [];
  const started = performance.now();
  const send = async (): Promise<Call> => {
    const sentAt = performance.now();
    const status = await callOnce(gateway, key, calls.length).catch(() => 0);
    return { sentAt, endedAt: performance.now(), status };
  };
  // What this process was late with it makes up for: the rate holds.
  const timer = setInterval(() => {
    const due = ((performance.now() - started) / 1000) * perSecond;
    while (calls.length < due) calls.push(send());
  }, 1000 / perSecond);
  try {
    const result = await work();
    clearInterval(timer);
    return { result, calls: await Promise.all(calls) };
  } finally {
    clearInterval(timer);
  }
}
