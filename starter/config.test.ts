import path from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { loadStarterConfig } from './config.ts';

describe('loadStarterConfig', () => {
  it('needs nothing: every variable has a default or is chosen', () => {
    const config = loadStarterConfig({});
    expect(config.dataDir).toBe(path.resolve('.data'));
    expect(config.databaseUrl).toBeUndefined();
    expect(config.temporal).toEqual({ address: undefined, namespace: 'default', ui: undefined });
    expect(Object.values(config.ports).every((port) => port === undefined)).toBe(true);
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
