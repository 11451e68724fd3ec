import { scopeAllows } from '../../core/capabilities.ts';
import type { Capability } from './capability.ts';
import type { HostReply } from '../engine/engine.ts';

/** Who called; `not-available` when no user did. What an admin withholds is empty. */
export const userCapability: Capability = {
  name: 'user.read',
  constants({ user, context }, scope) {
    const told = (field: string): boolean => scopeAllows(scope, 'fields', field);
    const reply: HostReply =
      user === undefined
        ? { err: 'not-available' }
        : {
            ok: {
              tenantId: context.tenant_id,
              clientName: told('client') ? (user.client_name ?? '') : '',
              userId: user.user_id,
              userEmail: told('email') ? user.user_email : '',
              userName: told('name') ? user.user_name : '',
              userType: user.user_type,
              clientId: told('client') ? user.client_id : undefined,
            },
          };
    return { 'user.get-user': reply, 'user-v2.get-user': reply };
  },
};
