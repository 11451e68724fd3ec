import type { HostReply } from '../engine/engine.ts';
import type { Capability } from './capability.ts';

const NOT_YET = 'schedules are not served by this platform yet';

/** Schedules of an install's endpoints. There is nothing behind it yet: whoever was granted it is told so. */
export const schedulerCapability: Capability = {
  name: 'scheduler.manage',
  bind({ explain }) {
    const answer = (reply: HostReply) => (): HostReply => {
      explain(`cap:scheduler.manage is granted, and ${NOT_YET}`);
      return reply;
    };
    const fail = answer({ err: 'internal' });
    const refuse = answer({ ok: { success: false, error: NOT_YET } });
    return {
      scheduler: {
        'list-schedules': fail,
        'get-schedule': fail,
        'create-schedule': refuse,
        'update-schedule': refuse,
        'delete-schedule': refuse,
        'get-endpoints': fail,
      },
    };
  },
};
