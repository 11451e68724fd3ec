import path from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { loadStarterSettings } from './settings.ts';

describe('loadStarterSettings', () => {
  it('needs nothing: every setting has a default or is chosen', () => {
    const settings = loadStarterSettings({});
    expect(settings.dataDir).toBe(path.resolve('.data'));
    expect(settings.databaseUrl).toBeUndefined();
    expect(settings.temporal).toEqual({ address: undefined, namespace: 'default', ui: undefined });
    expect(Object.values(settings.ports).every((port) => port === undefined)).toBe(true);
  });

  it('reports every bad variable at once', () => {
    const bad = { GATEWAY_PORT: 'eighty', POSTGRES_PORT: '70000', DATABASE_URL: 'nowhere' };
    expect(() => loadStarterSettings(bad)).toThrow(
      expect.objectContaining({
        code: 'CONFIG_INVALID',
        issues: ['GATEWAY_PORT', 'POSTGRES_PORT', 'DATABASE_URL'].map((name) =>
          expect.objectContaining({ path: name }),
        ),
      }),
    );
  });
});
