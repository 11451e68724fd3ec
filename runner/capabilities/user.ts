import type { Capability } from './capability.ts';
import type { HostReply } from '../engine/engine.ts';

/** Who called; `not-available` when no user did. */
export const userCapability: Capability = {
  name: 'user.read',
  constants({ user, context }) {
    const reply: HostReply =
      user === undefined
        ? { err: 'not-available' }
        : {
            ok: {
              tenantId: context.tenant_id,
              clientName: user.client_name ?? '',
              userId: user.user_id,
              userEmail: user.user_email,
              userName: user.user_name,
              userType: user.user_type,
              clientId: user.client_id,
            },
          };
    return { 'user.get-user': reply, 'user-v2.get-user': reply };
  },
};
