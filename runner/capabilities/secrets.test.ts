import { beforeAll, describe, expect, it } from '@jest/globals';
import { SEALING_ALGORITHM, type ExecuteRequest } from '../../core/execute.ts';
import { SecretValue } from '../../core/secret-value.ts';
import { sealSecret } from '../../platform/secrets/seal-secret.ts';
import { generateSecretsKeyPair, secretsKeyId } from '../../platform/secrets/sealing-suite.ts';
import {
  boundHost,
  EXECUTION_CONTEXT as context,
  type BoundHostOptions,
} from '../../test/support/bound-host.ts';

let keys: { publicKey: string; privateKey: SecretValue };
let envelope: NonNullable<ExecuteRequest['secret_envelope']>;

beforeAll(async () => {
  keys = generateSecretsKeyPair();
  const seal = (name: string, value: string, installId = context.install_id) =>
    sealSecret(keys.publicKey, { tenantId: context.tenant_id, installId, name }, new SecretValue(value));
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

const setup = (options: BoundHostOptions) => boundHost({ secretsKey: keys.privateKey, ...options });

describe('secrets', () => {
  const get = async (name: string, options: BoundHostOptions = {}) => {
    const given = { grants: { 'secrets.get': {} }, request: { secret_envelope: envelope }, ...options };
    return setup(given).host('secrets', 'get', [name]);
  };

  it('are opened for the guest that was granted them', async () => {
    expect(await get('API_KEY')).toEqual({ ok: 'hunter2' });
  });

  it('are denied outside the scope, and not listed', async () => {
    const grants = { 'secrets.get': { names: ['API_KEY'] } };
    const { host, told } = setup({ grants, request: { secret_envelope: envelope } });
    expect(await host('secrets', 'get', ['OTHER'])).toEqual({ err: 'denied' });
    expect(told).toEqual([expect.stringContaining('{"name":"cap:secrets.get","scope":{"names":["OTHER"]}}')]);
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

  it('are denied without a grant, and never among the answers that a sandbox is given ahead', async () => {
    const request = { secret_envelope: envelope };
    expect(await get('API_KEY', { request, grants: {} })).toEqual({ err: 'denied' });
    const { constants } = setup({ request, grants: { 'secrets.get': {} } });
    expect(Object.keys(constants).filter((name) => name.startsWith('secrets'))).toEqual([]);
  });
});
