import { readFileSync } from 'node:fs';
import path from 'node:path';
import { parseEnv } from 'node:util';
import { describe, expect, it } from '@jest/globals';
import { SECRET_VARIABLES, storageEnv } from '../platform/config/environment.ts';
import { gatewayEnv } from '../platform/config/gateway.ts';
import { runnerEnv } from '../platform/config/runner.ts';
import { lifecycleWorkerEnv, precompileWorkerEnv } from '../platform/config/worker.ts';
import { loadStarterConfig, starterEnv } from './config.ts';

const schemas = [starterEnv, gatewayEnv, runnerEnv, lifecycleWorkerEnv, precompileWorkerEnv, storageEnv];
const known = [...new Set(schemas.flatMap((schema) => Object.keys(schema.shape)))].sort();
const example = readFileSync(path.resolve(import.meta.dirname, '..', '.env.example'), 'utf8');

describe('.env.example', () => {
  it('names every variable of every process and of npm start, once, and none that nothing reads', () => {
    const names = [...example.matchAll(/^([A-Z0-9_]+)=/gm)].map(([, name]) => name);
    expect(names.sort()).toEqual(known);
  });

  it('holds no value for a secret', () => {
    for (const name of SECRET_VARIABLES) expect(example).toMatch(new RegExp(`^${name}=$`, 'm'));
  });

  it('sets nothing that npm start would not do by itself, when it is copied unchanged', () => {
    const copied = { ...loadStarterConfig(parseEnv(example)), environment: {} };
    const bare = { ...loadStarterConfig({}), environment: {} };
    expect(copied).toEqual(bare);
  });
});

describe('loadStarterConfig', () => {
  it('needs nothing: every variable has a default or is chosen', () => {
    const config = loadStarterConfig({});
    expect(config.dataDir).toBe(path.resolve('.data'));
    expect(config.databaseUrl).toBeUndefined();
    expect(config.temporal).toEqual({ server: undefined, namespace: 'default', ui: undefined });
    expect(Object.values(config.ports).every((port) => port === undefined)).toBe(true);
  });

  it('takes what leads into a Temporal only with the address of one', () => {
    const entry = { TEMPORAL_API_KEY: 'k' };
    expect(() => loadStarterConfig(entry)).toThrow('TEMPORAL_API_KEY is for a Temporal of yours');
    const { server } = loadStarterConfig({ ...entry, TEMPORAL_ADDRESS: 'cloud:7233' }).temporal;
    expect(server).toMatchObject({ address: 'cloud:7233', tls: {} });
  });

  it('reports every bad variable at once', () => {
    const bad = { GATEWAY_PORT: 'eighty', POSTGRES_PORT: '70000', DATABASE_URL: 'nowhere' };
    expect(() => loadStarterConfig(bad)).toThrow(
      expect.objectContaining({
        code: 'CONFIG_INVALID',
        issues: ['GATEWAY_PORT', 'POSTGRES_PORT', 'DATABASE_URL'].map((name) =>
          expect.objectContaining({ path: name }),
        ),
      }),
    );
  });
});
