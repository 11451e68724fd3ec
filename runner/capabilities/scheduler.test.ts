import { expect, it } from '@jest/globals';
import type { CallContext, CapabilityDeps } from './capability.ts';
import { schedulerCapability } from './scheduler.ts';

it('says to whom it was granted that there are no schedules yet, which is no denial', async () => {
  const told: string[] = [];
  const call: Partial<CallContext> = { explain: (line) => told.push(line) };
  const bound = schedulerCapability.bind?.(call as CallContext, {}, {} as CapabilityDeps);
  const error = 'schedules are not served by this platform yet';
  for (const name of ['list-schedules', 'get-schedule', 'get-endpoints']) {
    expect(await bound?.['scheduler']?.[name]?.(['id'])).toEqual({ err: 'internal' });
  }
  for (const name of ['create-schedule', 'update-schedule', 'delete-schedule']) {
    expect(await bound?.['scheduler']?.[name]?.(['id'])).toEqual({ ok: { success: false, error } });
  }
  expect(new Set(told)).toEqual(new Set([`cap:scheduler.manage is granted, and ${error}`]));
});
