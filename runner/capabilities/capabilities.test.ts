import { describe, expect, it } from '@jest/globals';
import {
  CAPABILITY_NAMES,
  capabilityEntry,
  isAlwaysGranted,
  type CapabilityName,
  type CapabilityScope,
} from '../../core/capabilities.ts';
import { RANDOM_INTERFACE, WORLD } from '../../core/world.ts';
import { boundHost, EXECUTION_CONTEXT as context } from '../../test/support/bound-host.ts';
import { SERVED_CAPABILITIES } from './index.ts';

// What holds of all of them; of each, granted and not granted, in the file of its name.

describe('answers that are the same for the whole execution', () => {
  it('are those that stay the same, and only of granted interfaces', () => {
    const { constants } = boundHost({ grants: {} });
    expect(Object.keys(constants).sort()).toEqual([
      'context-v2.get-trigger',
      'context.get-context',
      'user-v2.get-user',
      'user.get-user',
    ]);
  });

  it('hold the settings once they are granted', () => {
    const { constants } = boundHost({ grants: { 'config.read': {} } });
    expect(constants['context-v2.get-config']).toEqual({ ok: '{"greeting":"Hello"}' });
  });
});

describe('an execution without grants', () => {
  it('gets an answer of every function of the world, and never a gift', async () => {
    const { host, asked, told } = boundHost();
    const answers: Record<string, unknown> = {};
    for (const [interfaceName, functions] of Object.entries(WORLD)) {
      if (['logging', 'storage-v2', RANDOM_INTERFACE].includes(interfaceName)) continue;
      for (const name of Object.keys(functions)) {
        const reply = await host(interfaceName, name, []);
        answers[`${interfaceName}.${name}`] = 'err' in reply ? reply.err : reply.ok;
      }
    }
    const refused = { success: false, error: 'the capability cap:scheduler.manage is not granted' };
    const noInvoice = { success: false, error: 'the capability cap:invoice.manual.create is not granted' };
    expect(answers).toStrictEqual({
      'context.get-context': expect.objectContaining({ tenantId: context.tenant_id }) as unknown,
      'context-v2.get-config': '{}',
      'context-v2.get-trigger': 'http',
      'secrets.get': 'denied',
      'secrets.list-keys': [],
      'http.fetch': 'not-allowed',
      'metrics.count': undefined,
      'metrics.observe': undefined,
      'storage.get': 'denied',
      'storage.put': 'denied',
      'storage.delete': 'denied',
      'storage.list-entries': 'denied',
      'ui-proxy.call-route': 'denied',
      'user.get-user': 'not-available',
      'user-v2.get-user': 'not-available',
      'scheduler.list-schedules': 'denied',
      'scheduler.get-schedule': 'denied',
      'scheduler.create-schedule': refused,
      'scheduler.update-schedule': refused,
      'scheduler.delete-schedule': refused,
      'scheduler.get-endpoints': 'denied',
      'invoicing.create-manual-invoice': noInvoice,
      'clients.list-clients': 'not-allowed',
      'clients.get-client': 'not-allowed',
      'services.list-services': 'not-allowed',
      'services.get-service': 'not-allowed',
    });
    expect(asked).toEqual([]);
    const needed = CAPABILITY_NAMES.filter(
      (name) => !isAlwaysGranted(name) && capabilityEntry(name).interfaces.length > 0,
    );
    expect(told.map((line) => /^cap:(.+?) was denied/.exec(line)?.[1]).sort()).toEqual(needed.sort());
  });

  it.each([
    ['storage', 'drop-all'],
    [RANDOM_INTERFACE, 'get-random-bytes'],
    ['fs', 'read'],
    ['constructor', 'name'],
    ['__proto__', 'toString'],
  ])('cannot call %s.%s, which nobody serves here', async (interfaceName, name) => {
    await expect(boundHost().host(interfaceName, name, [])).rejects.toMatchObject({ code: 'INTERNAL' });
  });

  it.each([
    ['context', 'get-context', 'get-config'],
    ['logging', 'log-info', 'get'],
  ])('cannot reach a function of %s through another', async (interfaceName, _own, other) => {
    await expect(boundHost().host(interfaceName, other, [])).rejects.toMatchObject({ code: 'INTERNAL' });
  });
});

const BAD_SCOPES: [CapabilityName, CapabilityScope][] = [
  ['context.read', { hosts: ['*'] }],
  ['log.emit', { levels: ['info'] }],
  ['metrics.emit', { names: ['orders'] }],
  ['user.read', { fields: ['password'] }],
  ['config.read', { keys: ['a'] }],
  ['secrets.get', { name: ['API_KEY'] }],
  ['storage.kv', { namespace: ['a'] }],
  ['http.fetch', { hosts: ['https://api.example.com'] }],
  ['http.fetch', { hosts: ['*.com'] }],
  ['http.fetch', { ports: ['443'] }],
  ['instance.shared', { calls: ['a'] }],
  ['headers.read', { headers: ['a'] }],
  ['headers.read', { names: ['cookie'] }],
  ['scheduler.manage', { routes: ['/a'] }],
  ['client.read', { fields: ['name'] }],
  ['service.read', { names: ['a'] }],
  ['invoice.manual.create', { clients: ['a'] }],
  ['ui.proxy', { paths: ['/a'] }],
  ['ui.proxy', { routes: ['/a/../b'] }],
  ['ui.proxy', { routes: ['//elsewhere.example'] }],
  ['ui.proxy', { routes: ['/a?b=c'] }],
  ['ui.proxy', { routes: ['/%2e%2e/b'] }],
  ['ui.proxy', { routes: ['/a\\b'] }],
  ['ui.proxy', { routes: ['/a\n/b'] }],
  ['ui.proxy', { routes: ['/'] }],
];

it('is known of every capability what its scope may not be', () => {
  const served = SERVED_CAPABILITIES.toSorted();
  expect([...new Set(BAD_SCOPES.map(([name]) => name))].sort()).toEqual(served);
});

describe.each(BAD_SCOPES)('the capability %s', (name, scope) => {
  it('refuses a scope it does not know', () => {
    expect(() => boundHost({ grants: { [name]: scope } })).toThrow(
      expect.objectContaining({ code: 'INPUT_INVALID' }),
    );
  });
});

it('refuses a grant of a capability this runner does not serve', () => {
  expect(() => boundHost({ grants: { 'events.emit': {} } })).toThrow(
    expect.objectContaining({ code: 'INPUT_INVALID' }),
  );
});
