import { z } from 'zod';
import { UI_PROXY_LIMITS } from '../../core/api/host-application.ts';
import { scopeAllows } from '../../core/capabilities.ts';
import type { Capability, HostFunction } from './capability.ts';

const args = z.tuple([z.string(), z.custom<Uint8Array>((value) => ArrayBuffer.isView(value)).optional()]);

const ERRORS = new Map([
  ['HOST_ROUTE_MISSING', 'route-not-found'],
  ['INPUT_INVALID', 'bad-request'],
  ['BODY_TOO_LARGE', 'bad-request'],
  ['HOST_INPUT_REFUSED', 'bad-request'],
  ['CAPABILITY_NOT_GRANTED', 'denied'],
  ['EXECUTION_ENDED', 'denied'],
  ['HOST_APPLICATION_MISSING', 'denied'],
  ['HOST_APPLICATION_REFUSED', 'denied'],
]);

/** Routes of the host application: those that the scope names, and without names none. */
export const uiProxyCapability: Capability = {
  name: 'ui.proxy',
  bind(call, scope, { hostApi }) {
    const callRoute: HostFunction = async (given) => {
      const [route, payload] = args.parse(given);
      if (!scopeAllows(scope, 'routes', route)) {
        call.denied('ui.proxy', route);
        return { err: 'denied' };
      }
      if ((payload?.byteLength ?? 0) > UI_PROXY_LIMITS.payloadBytes) return { err: 'bad-request' };
      const answer = await hostApi.call('ui-proxy/call-route', { route }, call, payload);
      if (!('code' in answer)) return { ok: answer.bytes ?? new Uint8Array() };
      if (answer.code === 'CAPABILITY_NOT_GRANTED') call.denied('ui.proxy', route);
      if (answer.code === 'HOST_APPLICATION_MISSING') {
        call.explain(
          'cap:ui.proxy is granted, and no routes are connected to this platform: an operator sets UI_PROXY_BASE_URL',
        );
      }
      return { err: ERRORS.get(answer.code) ?? 'internal' };
    };
    return { 'ui-proxy': { 'call-route': callRoute } };
  },
};
