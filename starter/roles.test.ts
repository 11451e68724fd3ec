import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseEnv } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { SECRET_VARIABLES, type Environment } from '../platform/config/environment.ts';
import { loadGatewayConfig } from '../platform/config/gateway.ts';
import { loadRunnerConfig } from '../platform/config/runner.ts';
import { loadWorkerConfig } from '../platform/config/worker.ts';
import { loadStarterConfig } from './config.ts';
import type { ProcessSpec } from './processes/running.ts';
import { createRoleSpecs } from './roles.ts';
import { loadLocalSecrets } from './secrets-file.ts';

const socket = {
  fd: () => 0,
  address: () => ({ address: '127.0.0.1', family: 'IPv4', port: 0 }),
  [Symbol.dispose]: () => undefined,
};
const DATABASE_URL = 'postgres://alga:hush-hush@127.0.0.1:5432/alga';

describe('what the starter gives the roles', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(path.join(os.tmpdir(), 'alga-roles-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const secrets = () => loadLocalSecrets(path.join(folder, 'secrets.json'), () => undefined);
  const specs = (given: Environment, runners = [3]): Record<string, ProcessSpec> => {
    const { environment } = loadStarterConfig(given);
    const list = createRoleSpecs({
      environment,
      dataDir: folder,
      secrets: secrets(),
      addresses: {
        databaseUrl: DATABASE_URL,
        temporal: { address: '127.0.0.1:7233', namespace: 'default' },
        ports: { gateway: 1, gatewayInternal: 2, runners, runnerUi: 4 },
      },
      sockets: {
        gateway: socket,
        gatewayInternal: socket,
        runnerUi: socket,
        runners: runners.map(() => socket),
      },
      workflowBundle: 'workflows.js',
    });
    return Object.fromEntries(list.map((spec) => [spec.name, spec]));
  };
  const loaded = (given: Environment) => {
    const { runner, gateway, ...workers } = specs(given);
    return {
      runner: loadRunnerConfig(runner?.env ?? {}),
      gateway: loadGatewayConfig(gateway?.env ?? {}),
      workers: ['lifecycle-worker', 'precompile-worker'].map((name) =>
        loadWorkerConfig(workers[name]?.env ?? {}),
      ),
    };
  };

  it('is enough for each of them, also with a copy of .env.example', () => {
    const copied = parseEnv(readFileSync(path.resolve(import.meta.dirname, '..', '.env.example'), 'utf8'));
    expect(loaded(copied)).toEqual(loaded({}));
    expect(loaded(copied).runner.objects).toMatchObject({
      kind: 'folder',
      folder: path.join(folder, 'objects'),
    });
  });

  it('is the memory that runners may take by themselves, shared out among them', () => {
    const memoryOf = (spec: ProcessSpec | undefined): number =>
      loadRunnerConfig(spec?.env ?? {}).sandbox.memoryBytes;
    const alone = memoryOf(specs({}).runner);
    const two = specs({}, [3, 5]);
    expect(memoryOf(two.runner) + memoryOf(two['runner-2'])).toBeLessThanOrEqual(alone);
    expect(memoryOf(specs({ RUNNER_MEMORY_MB: '512' }, [3, 5])['runner-2'])).toBe(512 * 1024 * 1024);
  });

  it('has no secret as a value, neither in the environment nor in the arguments of a started process', () => {
    const {
      postgresPassword,
      tokens,
      executionToken,
      artifactSigning,
      secretsSealing,
      payloadCodecKey,
      apiKeys,
    } = secrets();
    const values = [
      ...[
        DATABASE_URL,
        postgresPassword,
        payloadCodecKey,
        ...Object.values(tokens),
        ...Object.values(apiKeys),
      ],
      ...[executionToken, artifactSigning, secretsSealing].map(({ privateKey }) => privateKey),
    ];
    for (const spec of Object.values(specs({}))) {
      // As anybody who may look at the process sees it.
      const look = "process.stdout.write(require('fs').readFileSync('/proc/self/environ'))";
      const environment = spawnSync(process.execPath, ['-e', look], {
        env: { ...spec.env },
      }).stdout.toString();
      expect(environment).toContain('_FILE=');
      for (const value of values) expect(`${environment}\0${spec.args.join('\0')}`).not.toContain(value);
      for (const name of SECRET_VARIABLES) expect(environment).not.toMatch(new RegExp(`(^|\0)${name}=`));
    }
  });

  it('leaves V8 no more threads for its background work than the machine has cores', () => {
    const count = `const { readdirSync, readFileSync } = require('fs'); process.stdout.write(String(readdirSync('/proc/self/task')
      .filter((task) => readFileSync('/proc/self/task/' + task + '/comm', 'utf8').includes('V8Worker')).length))`;
    for (const { command, args } of Object.values(specs({}))) {
      const flags = args.slice(0, args.indexOf('--import'));
      const counted = Number(spawnSync(command, [...flags, '-e', count]).stdout.toString());
      expect(counted).toBeGreaterThan(0);
      expect(counted).toBeLessThanOrEqual(os.availableParallelism());
    }
  });

  it('hands each secret over in a file for its owner alone', () => {
    const { gateway } = specs({});
    const file = gateway?.env['DATABASE_URL_FILE'] ?? '';
    expect(readFileSync(file, 'utf8').trim()).toBe(DATABASE_URL);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(statSync(path.dirname(file)).mode & 0o777).toBe(0o700);
    expect(loadGatewayConfig(gateway?.env ?? {}).database.url.reveal()).toBe(DATABASE_URL);
  });

  it('lets no variable of the person who starts stand before a secret of its own', () => {
    const { runner } = loaded({ RUNNER_SERVICE_TOKEN: 'stray', RUNNER_GATEWAY_TOKEN: 'stray' });
    expect(runner.serviceToken.reveal()).toBe(secrets().tokens.gatewayToRunner);
    expect(runner.gateway.token.reveal()).toBe(secrets().tokens.runnerToGateway);
  });

  it('lets metrics be read with a token of its own, or with the one that a person has set', () => {
    expect(loaded({}).runner.metricsToken?.reveal()).toBe(secrets().tokens.metrics);
    expect(loaded({ RUNNER_METRICS_TOKEN: 'of-mine' }).runner.metricsToken?.reveal()).toBe('of-mine');
    const file = path.join(folder, 'token');
    writeFileSync(file, 'in-a-file\n');
    expect(loaded({ RUNNER_METRICS_TOKEN_FILE: file }).runner.metricsToken?.reveal()).toBe('in-a-file');
  });

  it("passes the key of a person's object store on as it was given: a file stays a file", () => {
    const file = path.join(folder, 'key');
    writeFileSync(file, 'of the bucket\n');
    const given = {
      STORAGE_S3_ENDPOINT: 'http://127.0.0.1:9000',
      STORAGE_S3_ACCESS_KEY: 'key',
      STORAGE_S3_BUCKET: 'bundles',
      STORAGE_S3_SECRET_KEY: '',
      STORAGE_S3_SECRET_KEY_FILE: path.relative(process.cwd(), file),
    };
    expect(specs(given)['runner']?.env).toMatchObject({ STORAGE_S3_SECRET_KEY_FILE: file });
    expect(JSON.stringify(specs(given)['runner']?.env)).not.toContain('of the bucket');
    expect(loaded(given).runner.objects).toMatchObject({ kind: 's3', bucket: 'bundles' });
  });
});
