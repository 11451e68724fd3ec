import { scopeAllows, type CapabilityScope } from '../../core/capabilities.ts';
import type { ExecuteRequest } from '../../core/execute.ts';
import type { HostReply } from '../engine/engine.ts';
import type { Capability } from './capability.ts';

/** What an admin can withhold. */
const FIELDS = ['name', 'email', 'client'];

/** Who called; `not-available` when no user did. What an admin withholds is empty. */
export const userCapability: Capability = {
  name: 'user.read',
  constants(request, scope) {
    // The sandbox asks for what is withheld, so that the guest's log says so.
    if (request.user !== undefined && withheld(scope).length > 0) return {};
    const reply = replyOf(request, scope);
    return { 'user.get-user': reply, 'user-v2.get-user': reply };
  },
  bind({ request, denied }, scope) {
    const getUser = (): HostReply => {
      for (const field of withheld(scope)) denied('user.read', field);
      return replyOf(request, scope);
    };
    return { user: { 'get-user': getUser }, 'user-v2': { 'get-user': getUser } };
  },
};

function withheld(scope: CapabilityScope): string[] {
  return FIELDS.filter((field) => !scopeAllows(scope, 'fields', field));
}

function replyOf({ user, context }: ExecuteRequest, scope: CapabilityScope): HostReply {
  if (user === undefined) return { err: 'not-available' };
  const told = (field: string): boolean => scopeAllows(scope, 'fields', field);
  return {
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
}
