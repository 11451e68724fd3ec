import { describe, expect, it } from '@jest/globals';
import { SEALING_ALGORITHM, type ExecuteRequest } from '../../core/execute.ts';
import { sharedInstanceOf } from './shared-instance.ts';

const secrets = {
  version: 1,
  algorithm: SEALING_ALGORITHM,
  expires_at: '2030-01-01T00:00:00.000Z',
  entries: { TOKEN: 'sealed' },
  key_id: 'key',
} as const;

const request: ExecuteRequest = {
  context: {
    request_id: 'request-1',
    execution_id: '00000000-0000-4000-8000-000000000001',
    tenant_id: '00000000-0000-4000-8000-000000000002',
    extension_id: '00000000-0000-4000-8000-000000000003',
    install_id: '00000000-0000-4000-8000-000000000004',
    version_id: '00000000-0000-4000-8000-000000000005',
    content_hash: `sha256:${'a'.repeat(64)}`,
    config_version: 1,
    trigger: 'http',
  },
  http: { method: 'GET', path: '/', query: '', headers: {} },
  limits: { timeout_ms: 1000, memory_mb: 64, response_bytes: 1000 },
  config: { greeting: 'Hello', nested: { a: 1, b: 2 } },
  providers: [
    { capability: 'instance.shared', scope: {} },
    { capability: 'storage.kv', scope: { namespaces: ['a'] } },
  ],
  secret_envelope: secrets,
};

const within = (context: Partial<ExecuteRequest['context']>): Partial<ExecuteRequest> => ({
  context: { ...request.context, ...context },
});
const nameWith = (change: Partial<ExecuteRequest>): string | undefined =>
  sharedInstanceOf({ ...request, ...change });

describe('the instance that an execution shares', () => {
  it.each<[string, Partial<ExecuteRequest>]>([
    ['of another request', within({ request_id: 'r2', execution_id: request.context.tenant_id })],
    ['of another user', { user: { user_id: 'u', user_email: 'e', user_name: 'n', user_type: 't' } }],
    ['that something else triggered', within({ trigger: 'schedule' })],
    [
      'of another endpoint',
      { http: { ...request.http, path: '/other' }, limits: { ...request.limits, timeout_ms: 2 } },
    ],
    [
      'with its secrets for a later time',
      { secret_envelope: { ...secrets, expires_at: '2031-01-01T00:00:00.000Z' } },
    ],
    ['with its config in another order', { config: { nested: { b: 2, a: 1 }, greeting: 'Hello' } }],
  ])('is the same %s', (_what, change) => {
    expect(nameWith(change)).toBe(nameWith({}));
    expect(nameWith({})).toMatch(/^[\w-]{43}$/);
  });

  it.each<[string, Partial<ExecuteRequest>]>([
    ['tenant', within({ tenant_id: '00000000-0000-4000-8000-00000000000f' })],
    ['install', within({ install_id: '00000000-0000-4000-8000-00000000000f' })],
    ['version', within({ version_id: '00000000-0000-4000-8000-00000000000f' })],
    ['bundle', within({ content_hash: `sha256:${'b'.repeat(64)}` })],
    ['stamp of the config', within({ config_version: 2 })],
    ['config', { config: { greeting: 'Hi' } }],
    [
      'scope of a grant',
      {
        providers: [
          request.providers[0],
          { capability: 'storage.kv', scope: {} },
        ] as ExecuteRequest['providers'],
      },
    ],
    ['set of grants', { providers: request.providers.slice(0, 1) }],
    ['secret', { secret_envelope: { ...secrets, entries: { TOKEN: 'sealed anew' } } }],
  ])('is another one for another %s', (_what, change) => {
    const name = nameWith(change);
    expect(name).toMatch(/^[\w-]{43}$/);
    expect(name).not.toBe(nameWith({}));
  });

  it('is none without the grant, nor for what the platform asks for itself', () => {
    expect(nameWith({ providers: request.providers.slice(1) })).toBeUndefined();
    expect(nameWith(within({ trigger: 'probe' }))).toBeUndefined();
    expect(nameWith(within({ trigger: 'warm' }))).toBeUndefined();
  });
});
