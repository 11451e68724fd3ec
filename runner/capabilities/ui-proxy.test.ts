import { describe, expect, it } from '@jest/globals';
import { UI_PROXY_LIMITS } from '../../core/api/host-application.ts';
import type { CapabilityScope } from '../../core/capabilities.ts';
import type { WitValue } from '../engine/engine.ts';
import type { CallContext, CapabilityDeps, HostApiAnswer } from './capability.ts';
import { uiProxyCapability } from './ui-proxy.ts';

const payload = Buffer.from('{"a":1}');

function setup(scope: CapabilityScope, answer: HostApiAnswer = { body: {}, bytes: Buffer.from('ok') }) {
  const asked: unknown[] = [];
  const told: string[] = [];
  const call: Partial<CallContext> = {
    denied: (_name, value) => told.push(value ?? ''),
    explain: (line) => told.push(line),
  };
  const hostApi: CapabilityDeps['hostApi'] = {
    call: (path, body, _call, bytes) => {
      asked.push({ path, body, bytes });
      return Promise.resolve(answer);
    },
  };
  const bound = uiProxyCapability.bind?.(call as CallContext, scope, { hostApi } as CapabilityDeps);
  const callRoute = async (...args: WitValue[]) => bound?.['ui-proxy']?.['call-route']?.(args);
  return { callRoute, asked, told };
}

describe('a route of the host application', () => {
  const scope = { routes: ['/tickets/list'] };

  it('is called by its name, with the payload as it is', async () => {
    const { callRoute, asked } = setup(scope);
    expect(await callRoute('/tickets/list', payload)).toEqual({ ok: Buffer.from('ok') });
    expect(await callRoute('/tickets/list', undefined)).toEqual({ ok: Buffer.from('ok') });
    expect(asked).toEqual([
      { path: 'ui-proxy/call-route', body: { route: '/tickets/list' }, bytes: payload },
      { path: 'ui-proxy/call-route', body: { route: '/tickets/list' }, bytes: undefined },
    ]);
  });

  it.each([
    '/tickets',
    '/tickets/list/',
    '/tickets/list?all=1',
    '/tickets/list/../../admin',
    '/tickets/%6cist',
    '//tickets/list',
    '/tickets//list',
    '/TICKETS/list',
    'tickets/list',
    'https://elsewhere.example/tickets/list',
    '/tickets/list\u0000',
    '',
  ])('is denied in any other spelling, without asking: %j', async (route) => {
    const { callRoute, asked, told } = setup(scope);
    expect(await callRoute(route, undefined)).toEqual({ err: 'denied' });
    expect([asked, told]).toEqual([[], [route]]);
  });

  it('is denied by a grant that names none', async () => {
    const { callRoute, asked } = setup({});
    expect(await callRoute('/tickets/list', undefined)).toEqual({ err: 'denied' });
    expect(asked).toEqual([]);
  });

  it('is not sent a payload beyond the limit', async () => {
    const { callRoute, asked } = setup(scope);
    const large = new Uint8Array(UI_PROXY_LIMITS.payloadBytes + 1);
    expect(await callRoute('/tickets/list', large)).toEqual({ err: 'bad-request' });
    expect(asked).toEqual([]);
  });

  it.each([
    ['HOST_ROUTE_MISSING', 'route-not-found'],
    ['HOST_INPUT_REFUSED', 'bad-request'],
    ['CAPABILITY_NOT_GRANTED', 'denied'],
    ['EXECUTION_ENDED', 'denied'],
    ['HOST_APPLICATION_REFUSED', 'denied'],
    ['HOST_APPLICATION_MISSING', 'denied'],
    ['HOST_APPLICATION_UNAVAILABLE', 'internal'],
    ['HOST_APPLICATION_FAILED', 'internal'],
    ['CONCURRENCY_LIMITED', 'internal'],
    ['GATEWAY_UNAVAILABLE', 'internal'],
  ])('answers %s of the gateway as %s', async (code, err) => {
    expect(await setup(scope, { code }).callRoute('/tickets/list', undefined)).toEqual({ err });
  });

  it.each([[[]], [[7, undefined]], [['/tickets/list', 'text']]] as WitValue[][][])(
    'throws at arguments of a wrong shape: %j',
    async (args) => {
      await expect(setup(scope).callRoute(...args)).rejects.toThrow();
    },
  );
});
