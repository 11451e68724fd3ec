import type { HostReply } from '../engine/engine.ts';

const success = (message: string): HostReply => ({ ok: { success: false, error: message } });
const DENIED: HostReply = { err: 'denied' };
const NOT_ALLOWED: HostReply = { err: 'not-allowed' };
const NOT_GRANTED = 'the capability cap:scheduler.manage is not granted';

/** What each function of the world answers without a grant: its own interface's way of saying no. */
const WITHOUT_GRANT: Readonly<Record<string, Readonly<Record<string, HostReply>>>> = {
  'context-v2': { 'get-config': { ok: '{}' } },
  secrets: { get: DENIED, 'list-keys': { ok: [] } },
  http: { fetch: NOT_ALLOWED },
  storage: { get: DENIED, put: DENIED, delete: DENIED, 'list-entries': DENIED },
  'ui-proxy': { 'call-route': DENIED },
  user: { 'get-user': NOT_ALLOWED },
  'user-v2': { 'get-user': NOT_ALLOWED },
  scheduler: {
    'list-schedules': DENIED,
    'get-schedule': DENIED,
    'create-schedule': success(NOT_GRANTED),
    'update-schedule': success(NOT_GRANTED),
    'delete-schedule': success(NOT_GRANTED),
    'get-endpoints': DENIED,
  },
};

/** Undefined for a function that is no part of the world. */
export function replyWithoutGrant(interfaceName: string, functionName: string): HostReply | undefined {
  const functions = Object.hasOwn(WITHOUT_GRANT, interfaceName) ? WITHOUT_GRANT[interfaceName] : undefined;
  return functions !== undefined && Object.hasOwn(functions, functionName)
    ? functions[functionName]
    : undefined;
}
