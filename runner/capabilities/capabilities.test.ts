import { beforeAll, describe, expect, it } from '@jest/globals';
import type { CapabilityName, CapabilityScope } from '../../core/capabilities.ts';
import { SEALING_ALGORITHM, type ExecuteRequest } from '../../core/execute.ts';
import type { SecretValue } from '../../core/secret-value.ts';
import { SecretValue as Secret } from '../../core/secret-value.ts';
import { RANDOM_INTERFACE, WORLD } from '../../core/world.ts';
import { sealSecret } from '../../platform/secrets/seal-secret.ts';
import { generateSecretsKeyPair, secretsKeyId } from '../../platform/secrets/sealing-suite.ts';
import type { WitValue } from '../engine/engine.ts';
import { bindHost } from './index.ts';

const context = {
  request_id: 'request-1',
  execution_id: '00000000-0000-4000-8000-000000000001',
  tenant_id: '00000000-0000-4000-8000-000000000002',
  extension_id: '00000000-0000-4000-8000-000000000003',
  install_id: '00000000-0000-4000-8000-000000000004',
  version_id: '00000000-0000-4000-8000-000000000005',
  content_hash: `sha256:${'a'.repeat(64)}`,
  config_version: 1,
  trigger: 'http' as const,
};

let keys: { publicKey: string; privateKey: SecretValue };
let envelope: NonNullable<ExecuteRequest['secret_envelope']>;

beforeAll(async () => {
  keys = generateSecretsKeyPair();
  const seal = (name: string, value: string, installId = context.install_id) =>
    sealSecret(keys.publicKey, { tenantId: context.tenant_id, installId, name }, new Secret(value));
  envelope = {
    version: 1,
    algorithm: SEALING_ALGORITHM,
    expires_at: '2030-01-01T00:00:00.000Z',
    entries: {
      API_KEY: await seal('API_KEY', 'hunter2'),
      OTHER: await seal('OTHER', 'other'),
      FOREIGN: await seal('FOREIGN', 'foreign', '00000000-0000-4000-8000-00000000000f'),
    },
    key_id: secretsKeyId(keys.publicKey),
  };
});

interface Setup {
  grants?: Partial<Record<CapabilityName, CapabilityScope>>;
  request?: Partial<ExecuteRequest>;
  now?: string;
}

function setup({ grants = {}, request = {}, now = '2029-01-01T00:00:00Z' }: Setup = {}) {
  const asked: string[] = [];
  const logged: string[] = [];
  const whole: ExecuteRequest = {
    context,
    http: { method: 'GET', path: '/', query: '', headers: {} },
    limits: { timeout_ms: 1000, memory_mb: 64, response_bytes: 1000 },
    config: { greeting: 'Hello' },
    providers: Object.entries(grants).map(([capability, scope]) => ({
      capability: capability as CapabilityName,
      scope: Object.fromEntries(Object.entries(scope).map(([key, values]) => [key, [...values]])),
    })),
    ...request,
  };
  const bound = bindHost(
    {
      request: whole,
      executionToken: 'token',
      signal: new AbortController().signal,
      guestLog: (level, message) => logged.push(`${level}: ${message}`),
    },
    {
      hostApi: {
        call: (path) => {
          asked.push(path);
          return Promise.resolve({ code: 'INTERNAL' });
        },
      },
      secretsKey: keys.privateKey,
      now: () => Date.parse(now),
    },
  );
  return { host: bound.call, constants: bound.constants, asked, logged };
}

describe('answers that are the same for the whole execution', () => {
  it('are those that stay the same, and only of granted interfaces', () => {
    const { constants } = setup({ grants: {} });
    expect(Object.keys(constants).sort()).toEqual([
      'context-v2.get-trigger',
      'context.get-context',
      'user-v2.get-user',
      'user.get-user',
    ]);
  });

  it('hold the settings once they are granted, and never a secret', () => {
    const grants = { 'config.read': {}, 'secrets.get': {} };
    const { constants } = setup({ grants, request: { secret_envelope: envelope } });
    expect(constants['context-v2.get-config']).toEqual({ ok: '{"greeting":"Hello"}' });
    expect(Object.keys(constants).filter((name) => name.startsWith('secrets'))).toEqual([]);
  });
});

describe('an execution without grants', () => {
  it('gets an answer of every function of the world, and never a gift', async () => {
    const { host, asked } = setup({ request: { secret_envelope: envelope } });
    const answers: Record<string, unknown> = {};
    for (const [interfaceName, functions] of Object.entries(WORLD)) {
      if (['logging', RANDOM_INTERFACE].includes(interfaceName)) continue;
      for (const name of Object.keys(functions)) {
        const reply = await host(interfaceName, name, []);
        answers[`${interfaceName}.${name}`] = 'err' in reply ? reply.err : reply.ok;
      }
    }
    const refused = { success: false, error: 'the capability cap:scheduler.manage is not granted' };
    expect(answers).toEqual({
      'context.get-context': expect.objectContaining({ tenantId: context.tenant_id }) as unknown,
      'context-v2.get-config': '{}',
      'context-v2.get-trigger': 'http',
      'secrets.get': 'denied',
      'secrets.list-keys': [],
      'http.fetch': 'not-allowed',
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
    });
    expect(asked).toEqual([]);
  });

  it.each([
    ['storage', 'drop-all'],
    [RANDOM_INTERFACE, 'get-random-bytes'],
    ['fs', 'read'],
    ['constructor', 'name'],
    ['__proto__', 'toString'],
  ])('cannot call %s.%s, which nobody serves here', async (interfaceName, name) => {
    await expect(setup().host(interfaceName, name, [])).rejects.toMatchObject({ code: 'INTERNAL' });
  });

  it.each([
    ['context', 'get-context', 'get-config'],
    ['logging', 'log-info', 'get'],
  ])('cannot reach a function of %s through another', async (interfaceName, _own, other) => {
    await expect(setup().host(interfaceName, other, [])).rejects.toMatchObject({ code: 'INTERNAL' });
  });
});

describe.each([
  ['context.read', { hosts: ['*'] }],
  ['log.emit', { levels: ['info'] }],
  ['user.read', { fields: ['password'] }],
  ['config.read', { keys: ['a'] }],
  ['secrets.get', { name: ['API_KEY'] }],
  ['storage.kv', { namespace: ['a'] }],
] as [CapabilityName, CapabilityScope][])('the capability %s', (name, scope) => {
  it('refuses a scope it does not know', () => {
    expect(() => setup({ grants: { [name]: scope } })).toThrow(
      expect.objectContaining({ code: 'INPUT_INVALID' }),
    );
  });
});

it('refuses a grant of a capability this runner does not serve', () => {
  expect(() => setup({ grants: { 'http.fetch': {} } })).toThrow(
    expect.objectContaining({ code: 'INPUT_INVALID' }),
  );
});

describe('the context', () => {
  it('tells which execution this is', async () => {
    expect(await setup().host('context', 'get-context', [])).toEqual({
      ok: {
        requestId: 'request-1',
        tenantId: context.tenant_id,
        extensionId: context.extension_id,
        installId: context.install_id,
        versionId: context.version_id,
      },
    });
  });

  it('has the settings when they were granted', async () => {
    const { host } = setup({ grants: { 'config.read': {} } });
    expect(await host('context-v2', 'get-config', [])).toEqual({ ok: '{"greeting":"Hello"}' });
  });
});

describe('logging', () => {
  it('hands lines on with their level', async () => {
    const { host, logged } = setup();
    await host('logging', 'log-warn', ['careful']);
    expect(logged).toEqual(['warn: careful']);
  });

  it.each([[[]], [[7]], [['a', 'b']]])(
    'throws at arguments of a wrong shape: %j',
    async (args: WitValue[]) => {
      const { host, logged } = setup();
      await expect(host('logging', 'log-info', args)).rejects.toThrow();
      expect(logged).toEqual([]);
    },
  );
});

describe('the user', () => {
  const user = { user_id: 'u', user_email: 'e', user_name: 'n', user_type: 'internal', client_name: 'c' };

  it('is the one who called', async () => {
    const { host } = setup({ request: { user } });
    expect(await host('user-v2', 'get-user', [])).toEqual({
      ok: {
        tenantId: context.tenant_id,
        clientName: 'c',
        userId: 'u',
        userEmail: 'e',
        userName: 'n',
        userType: 'internal',
      },
    });
  });

  it('has no e-mail address, and nothing else that an admin withholds', async () => {
    const told = (fields: string[]) =>
      setup({ request: { user }, grants: { 'user.read': { fields } } }).host('user', 'get-user', []);
    expect(await told(['name', 'client'])).toMatchObject({
      ok: { userId: 'u', userEmail: '', userName: 'n' },
    });
    expect(await told([])).toMatchObject({
      ok: { userId: 'u', userEmail: '', userName: '', clientName: '' },
    });
  });
});

describe('secrets', () => {
  const get = async (name: string, options: Setup = {}) => {
    const given = { grants: { 'secrets.get': {} }, request: { secret_envelope: envelope }, ...options };
    return setup(given).host('secrets', 'get', [name]);
  };

  it('are opened for the guest that was granted them', async () => {
    expect(await get('API_KEY')).toEqual({ ok: 'hunter2' });
  });

  it('are denied outside the scope, and not listed', async () => {
    const grants = { 'secrets.get': { names: ['API_KEY'] } };
    expect(await get('OTHER', { grants })).toEqual({ err: 'denied' });
    const { host } = setup({ grants, request: { secret_envelope: envelope } });
    expect(await host('secrets', 'list-keys', [])).toEqual({ ok: ['API_KEY'] });
  });

  it.each(['NONE', 'constructor', '__proto__'])('are missing when %s was never set', async (name) => {
    expect(await get(name)).toEqual({ err: 'missing' });
  });

  it('are missing without an envelope', async () => {
    expect(await get('API_KEY', { request: {} })).toEqual({ err: 'missing' });
  });

  it('are expired after the time in their envelope', async () => {
    expect(await get('API_KEY', { now: '2030-01-01T00:00:00Z' })).toEqual({ err: 'expired' });
  });

  it('do not open when they were sealed for another install', async () => {
    expect(await get('FOREIGN')).toEqual({ err: 'internal' });
  });
});
