import { generateKeyPairSync } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import type { PlatformError } from '../../core/errors.ts';
import { loadObjectStoreConfig, publicKeyList, withSecretFiles } from './environment.ts';
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
  });
});
