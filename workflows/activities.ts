import { proxyActivities, type ActivityOptions } from '@temporalio/workflow';
import { summary } from '../core/titles.ts';
import { ACTIVITY_TITLES, type Activities } from './activity-titles.ts';

type Callable<Wanted> = {
  [Name in keyof Wanted]: Wanted[Name] extends (...input: infer Input) => infer Result
    ? (...input: Input) => Result
    : never;
};

/** Activities to be called from a workflow; each call says in the Temporal UI what it does. */
export function activities<Wanted extends Partial<Activities>>(options: ActivityOptions): Callable<Wanted> {
  const proxied = proxyActivities(options);
  return new Proxy({} as Callable<Wanted>, {
    get:
      (_, name: string) =>
      (...input: [object?]) =>
        proxied[name]?.executeWithOptions({ summary: titleOf(name, input[0]) }, input),
  });
}

function titleOf(name: string, input: object | undefined): string {
  const title = ACTIVITY_TITLES[name as keyof Activities];
  return summary(typeof title === 'string' ? title : title((input ?? {}) as never));
}
