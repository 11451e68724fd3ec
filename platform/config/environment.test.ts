import { generateKeyPairSync } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import type { PlatformError } from '../../core/errors.ts';
import {
  addressList,
  cidrList,
  egressAllowlist,
  loadObjectStoreConfig,
  publicKeyList,
  withoutEmpty,
  withSecretFiles,
} from './environment.ts';
import { loadGatewayConfig } from './gateway.ts';
import { loadRunnerConfig } from './runner.ts';
import { loadWorkerConfig } from './worker.ts';

function faultsOf(load: () => unknown): PlatformError {
  try {
    load();
  } catch (err) {
    return err as PlatformError;
  }
  throw new Error('it loaded');
}

describe('loading the environment', () => {
  it('reports every fault at once and by name', () => {
    const faults = faultsOf(() => loadGatewayConfig({ GATEWAY_PORT: 'eighty', STORAGE_FOLDER: 'x' }));
    expect(faults.code).toBe('CONFIG_INVALID');
    const paths = faults.issues.map(({ path }) => path);
    expect(paths).toEqual(
      expect.arrayContaining(['GATEWAY_PORT', 'DATABASE_URL', 'EXECUTION_TOKEN_PRIVATE_KEY']),
    );
  });

  it('refuses a host application that nobody could reach or believe', () => {
    const { issues } = faultsOf(() =>
      loadGatewayConfig({ HOST_API_BASE_URL: 'ftp://host/', UI_PROXY_BASE_URL: 'https://host/routes?a=b' }),
    );
    const paths = issues.map(({ path }) => path);
    expect(paths).toEqual(expect.arrayContaining(['HOST_API_BASE_URL', 'UI_PROXY_BASE_URL']));
    const key = 'AAAA';
    const complete = {
      DATABASE_URL: 'postgres://localhost/x',
      TEMPORAL_ADDRESS: 'localhost:1',
      PAYLOAD_CODEC_KEY: key,
      RUNNER_BASE_URL: 'http://localhost:1',
      RUNNER_PUBLIC_BASE: 'http://localhost:2',
      EXECUTION_TOKEN_PRIVATE_KEY: key,
      RUNNER_SERVICE_TOKEN: 'a',
      RUNNER_GATEWAY_TOKEN: 'b',
      WORKER_GATEWAY_TOKEN: 'c',
      SECRETS_PUBLIC_KEY: key,
      STORAGE_FOLDER: 'x',
    };
    expect(loadGatewayConfig(complete)).not.toHaveProperty('hostApplication');
    for (const name of ['HOST_API_BASE_URL', 'UI_PROXY_BASE_URL']) {
      const { message } = faultsOf(() => loadGatewayConfig({ ...complete, [name]: 'https://host' }));
      expect(message).toBe(`${name} needs HOST_TOKEN_PRIVATE_KEY beside it`);
    }
  });

  describe('of several runners', () => {
    const settings = (urls: string, token = 'one') =>
      loadGatewayConfig({
        DATABASE_URL: 'postgres://localhost/x',
        TEMPORAL_ADDRESS: 'localhost:1',
        PAYLOAD_CODEC_KEY: 'AAAA',
        RUNNER_BASE_URL: urls,
        RUNNER_PUBLIC_BASE: 'http://localhost:2',
        EXECUTION_TOKEN_PRIVATE_KEY: 'AAAA',
        RUNNER_SERVICE_TOKEN: token,
        RUNNER_GATEWAY_TOKEN: 'b',
        WORKER_GATEWAY_TOKEN: 'c',
        SECRETS_PUBLIC_KEY: 'AAAA',
        STORAGE_FOLDER: 'x',
      }).runners.map(({ baseUrl, isName, serviceToken }) => [baseUrl, isName, serviceToken.reveal()]);

    it('takes one address, several, and names that stand for several', () => {
      expect(settings('http://a:1', 'with,comma')).toEqual([['http://a:1', false, 'with,comma']]);
      expect(settings('http://a:1, dns+https://b:2/x')).toEqual([
        ['http://a:1', false, 'one'],
        ['https://b:2/x', true, 'one'],
      ]);
      expect(settings('http://a:1,http://b:1', 'one,two').map(([, , token]) => token)).toEqual([
        'one',
        'two',
      ]);
    });

    it.each(['', 'a:1', 'ftp://a', 'http://u@a', 'http://a,', 'http://a,http://a', 'dns+a:1', 'http://a?b'])(
      'refuses %p',
      (urls) => {
        expect(faultsOf(() => settings(urls)).issues.map(({ path }) => path.split(/[.[]/)[0])).toContain(
          'RUNNER_BASE_URL',
        );
      },
    );

    it.each(['one,two,three', 'one,'])('refuses %p for two', (token) => {
      const { code, message } = faultsOf(() => settings('http://a:1,http://b:1', token));
      expect([code, message]).toEqual(['CONFIG_INVALID', expect.stringContaining('RUNNER_SERVICE_TOKEN')]);
    });
  });

  it('shows no value of a secret in a fault', () => {
    const faults = faultsOf(() =>
      loadRunnerConfig({ SECRETS_PRIVATE_KEY: '!!hunter2!!', STORAGE_FOLDER: 'x' }),
    );
    expect(JSON.stringify([faults.message, faults.issues, faults.details])).not.toContain('hunter2');
  });

  it('refuses a credential that no header could carry, without showing it', () => {
    const faults = faultsOf(() =>
      loadRunnerConfig({ RUNNER_SERVICE_TOKEN: 'hunter 2', STORAGE_FOLDER: 'x' }),
    );
    expect(faults.issues).toContainEqual(
      expect.objectContaining({
        path: 'RUNNER_SERVICE_TOKEN',
        message: 'must be visible ASCII without spaces',
      }),
    );
    expect(JSON.stringify([faults.message, faults.issues, faults.details])).not.toContain('hunter');
  });

  it('takes an empty variable as unset', () => {
    expect(
      faultsOf(() => loadRunnerConfig({ RUNNER_SERVICE_TOKEN: '' })).issues.map(({ path }) => path),
    ).toContain('RUNNER_SERVICE_TOKEN');
  });

  it('takes a list of public keys, and names the variable when one of them is none', () => {
    const key = (type: 'ed25519' | 'x25519'): string =>
      generateKeyPairSync(type as 'ed25519')
        .publicKey.export({ format: 'der', type: 'spki' })
        .toString('base64');
    const keys = [key('ed25519'), key('ed25519')];
    expect(publicKeyList.parse(` ${keys.join(' , ')},`)).toEqual(keys);
    expect(publicKeyList.parse(undefined)).toEqual([]);
    for (const wrong of [key('x25519'), 'AAAA', '!']) {
      const list = [...keys, wrong].join(',');
      const faults = faultsOf(() => loadRunnerConfig({ ARTIFACT_SIGNING_PREVIOUS_PUBLIC_KEYS: list }));
      expect(faults.message).toContain('ARTIFACT_SIGNING_PREVIOUS_PUBLIC_KEYS');
    }
  });

  it('tells a list of hosts that is empty, which allows nobody, from none at all', () => {
    const read = (env: Record<string, string>) =>
      egressAllowlist.parse(withoutEmpty(env)['EXT_EGRESS_ALLOWLIST']);
    expect(read({})).toBeUndefined();
    expect(read({ EXT_EGRESS_ALLOWLIST: '' })).toEqual([]);
    expect(read({ EXT_EGRESS_ALLOWLIST: ' , ' })).toEqual([]);
    expect(read({ EXT_EGRESS_ALLOWLIST: '*' })).toBeUndefined();
    expect(read({ EXT_EGRESS_ALLOWLIST: 'api.example.com, *.example.org:8443' })).toEqual([
      'api.example.com',
      '*.example.org:8443',
    ]);
  });

  it.each(['*.com', 'https://api.example.com', '127.1', 'api.example.com;b'])(
    'refuses %s as a host that extensions may call, and starts with no shorter list',
    (host) => {
      const faults = faultsOf(() => loadRunnerConfig({ EXT_EGRESS_ALLOWLIST: `api.example.com,${host}` }));
      expect(faults.message).toContain('EXT_EGRESS_ALLOWLIST');
    },
  );

  it('takes ranges of addresses that extensions may call, and refuses what is none', () => {
    expect(cidrList.parse('10.0.0.0/8, fd00::/8')).toEqual(['10.0.0.0/8', 'fd00::/8']);
    expect(cidrList.parse(undefined)).toEqual([]);
    for (const wrong of [
      '10.0.0.0',
      '10.0.0.0/33',
      '10.0.0.0/-1',
      '::/129',
      '10.0.0/8',
      '10.0.0.0/8/8',
      'a/8',
      '/8',
    ]) {
      expect(cidrList.safeParse(wrong).success).toBe(false);
    }
  });

  it('takes addresses of name servers, and refuses what is none', () => {
    const servers = ['10.0.0.53', '10.0.0.53:5353', 'fd00::53', '[fd00::53]:53'];
    expect(addressList.parse(servers.join(','))).toEqual(servers);
    expect(addressList.parse(undefined)).toBeUndefined();
    for (const wrong of ['dns.example.com', '10.0.0', '[10.0.0.53', '10.0.0.53:']) {
      expect(addressList.safeParse(wrong).success).toBe(false);
    }
  });

  it('refuses a kind of worker that does not exist', () => {
    expect(faultsOf(() => loadWorkerConfig({ WORKER_KIND: 'other' })).code).toBe('CONFIG_INVALID');
  });

  it('reads a secret from the file that NAME_FILE names', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'secret-'));
    try {
      writeFileSync(join(folder, 'url'), 'postgres://there\n');
      const env = withSecretFiles({ DATABASE_URL_FILE: join(folder, 'url') });
      expect(env.DATABASE_URL).toBe('postgres://there');
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it.each([
    ['the file when the variable beside it is empty', { DATABASE_URL: '' }, 'postgres://there'],
    ['the variable when both are set', { DATABASE_URL: 'postgres://here' }, 'postgres://here'],
    [
      'the variable when NAME_FILE is empty',
      { DATABASE_URL: 'postgres://here', DATABASE_URL_FILE: '' },
      'postgres://here',
    ],
    ['nothing when both are empty', { DATABASE_URL: '', DATABASE_URL_FILE: '' }, undefined],
  ])('takes %s', async (_which, given, expected) => {
    const folder = await mkdtemp(join(tmpdir(), 'secret-'));
    try {
      writeFileSync(join(folder, 'url'), 'postgres://there\n');
      const env = withSecretFiles({ DATABASE_URL_FILE: join(folder, 'url'), ...given });
      expect(env.DATABASE_URL).toBe(expected);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it('reads secrets from files for every process', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'secret-'));
    try {
      writeFileSync(join(folder, 'token'), 'from a file\n');
      const env = { RUNNER_SERVICE_TOKEN_FILE: join(folder, 'token'), STORAGE_FOLDER: 'x' };
      const paths = faultsOf(() => loadRunnerConfig(env)).issues.map(({ path, message }) => [path, message]);
      expect(paths).toContainEqual(['RUNNER_SERVICE_TOKEN', 'must be visible ASCII without spaces']);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it('names the variable whose file cannot be read', () => {
    const faults = faultsOf(() => withSecretFiles({ DATABASE_URL_FILE: '/nowhere' }));
    expect(faults.message).toContain('DATABASE_URL_FILE');
  });
});

describe('the object store', () => {
  it('is a folder or S3, never half of one', () => {
    expect(loadObjectStoreConfig({ STORAGE_FOLDER: 'bundles' })).toMatchObject({
      kind: 'folder',
      base: 'sha256/',
    });
    expect(faultsOf(() => loadObjectStoreConfig({})).code).toBe('CONFIG_INVALID');
    const half = { STORAGE_S3_ENDPOINT: 'http://127.0.0.1:9000', STORAGE_S3_BUCKET: 'bundles' };
    expect(faultsOf(() => loadObjectStoreConfig(half)).message).toContain('STORAGE_S3_ACCESS_KEY');
    const whole = { ...half, STORAGE_S3_ACCESS_KEY: 'a', STORAGE_S3_SECRET_KEY: 'b' };
    const publicEndpoint = 'https://bundles.example';
    expect(loadObjectStoreConfig({ ...whole, STORAGE_S3_PUBLIC_ENDPOINT: publicEndpoint })).toMatchObject({
      ...{ kind: 's3', endpoint: half.STORAGE_S3_ENDPOINT, publicEndpoint },
    });
  });
});
