import { json, raw, Router } from 'express';
import { HOST_FRAME_TYPE } from '../../core/api/host-storage.ts';
import { callHostRoute, UI_PROXY_LIMITS } from '../../core/api/host-application.ts';
import { scopeAllows, type CapabilityScope } from '../../core/capabilities.ts';
import { scopeSchema } from '../../core/capability-scope.ts';
import { PlatformError } from '../../core/errors.ts';
import { decodeFrame, encodeFrame } from '../../core/execute-frame.ts';
import type { SecretValue } from '../../core/secret-value.ts';
import type { HostRequest } from '../../platform/host-application/host-client.ts';
import { inputOf } from '../request-input.ts';
import { requireExecutionToken } from './host-caller.ts';
import { forward, type HostApplication, type HostApplicationDeps } from './host-application.ts';

export interface UiProxyDeps extends Pick<HostApplicationDeps, 'hostGrants' | 'executionTokens'> {
  uiProxy: (HostApplication & { authKey: SecretValue | undefined }) | undefined;
}

/** `POST /host/ui-proxy/call-route` for a runner, on behalf of an execution: one of the routes that its grant names, by name and no other way. */
export function createUiProxyRouter({ uiProxy, hostGrants, executionTokens }: UiProxyDeps): Router {
  const router = Router();
  const limit = UI_PROXY_LIMITS.payloadBytes + 16 * 1024;
  router.use(
    requireExecutionToken(executionTokens),
    json({ limit: '16kb' }),
    raw({ type: HOST_FRAME_TYPE, limit }),
  );
  router.post('/call-route', async (req, res) => {
    const frame = Buffer.isBuffer(req.body) ? decodeFrame(req.body) : undefined;
    const { route } = inputOf(callHostRoute.body, frame ? frame.head : req.body);
    const payload = frame?.body;
    if ((payload?.byteLength ?? 0) > UI_PROXY_LIMITS.payloadBytes) {
      throw new PlatformError(
        'BODY_TOO_LARGE',
        `a payload has at most ${UI_PROXY_LIMITS.payloadBytes} bytes`,
      );
    }
    const asked = { req, res, capability: 'ui.proxy', path: route } as const;
    const request = (scope: CapabilityScope): HostRequest => {
      // A grant of before a rule must not lead around it.
      const isRoute = scopeSchema('ui.proxy').safeParse({ routes: [route] }).success;
      if (!isRoute || !scopeAllows(scope, 'routes', route)) {
        throw new PlatformError('CAPABILITY_NOT_GRANTED', 'ui.proxy is not granted for this route');
      }
      const { authKey } = uiProxy ?? {};
      return {
        headers: {
          ...(payload && { 'content-type': 'application/json' }),
          ...(authKey && { 'x-runner-auth': authKey.reveal() }),
        },
        ...(payload && { body: payload }),
      };
    };
    const answer = await forward({ hostGrants }, uiProxy, asked, request, (_client, body) => body);
    res.setHeader('content-type', HOST_FRAME_TYPE);
    res.end(Buffer.concat([...encodeFrame({}, answer)]));
  });
  return router;
}
