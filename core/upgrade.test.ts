import { describe, expect, it } from '@jest/globals';
import { parseManifest, type Manifest } from './manifest/manifest.ts';
import { checkUpgrade, type Upgradable } from './upgrade.ts';

const manifest = (fields: Record<string, unknown> = {}): Manifest =>
  parseManifest(
    JSON.stringify({
      name: 'sample',
      publisher: 'Acme',
      version: '1.0.0',
      displayName: 'Sample',
      runtime: 'wasm-js@1',
      ...fields,
    }),
  );
const NOTES = { name: 'storage.kv', scope: { namespaces: ['notes'] } };
const install = (fields: Partial<Upgradable> = {}): Upgradable => ({
  manifest: manifest({ capabilities: [NOTES] }),
  grants: [{ capability: 'storage.kv', scope: { namespaces: ['notes'] } }],
  config: {},
  secrets: [],
  ...fields,
});
const added = (next: Manifest, from = install()) => checkUpgrade(from, next).added.map(({ name }) => name);

describe('an upgrade', () => {
  it.each([
    ['asks for the same', [NOTES]],
    ['asks for less', []],
    ['asks for what every install has', [NOTES, 'user.read']],
    ['asks for what nobody serves', [NOTES, { name: 'http.fetch', optional: true }]],
  ])('goes straight through if it %s', (_what, capabilities) => {
    const check = checkUpgrade(install(), manifest({ capabilities }));
    expect(check).toEqual({ needsConsent: false, added: [], settingsNeeded: [] });
  });

  it.each([
    ['another capability', [NOTES, 'secrets.get'], ['secrets.get']],
    ['another namespace', [{ name: 'storage.kv', scope: { namespaces: ['notes', 'logs'] } }], ['storage.kv']],
    ['all namespaces', ['storage.kv'], ['storage.kv']],
  ])('waits for consent if it needs %s', (_what, capabilities, names) => {
    const next = manifest({ capabilities });
    expect(checkUpgrade(install(), next).needsConsent).toBe(true);
    expect(added(next)).toEqual(names);
  });

  it('shows what is optional and new, and does not wait for it', () => {
    const next = manifest({ capabilities: [NOTES, { name: 'secrets.get', optional: true }] });
    expect(checkUpgrade(install(), next)).toMatchObject({
      needsConsent: false,
      added: [{ name: 'secrets.get' }],
    });
  });

  it('does not ask again for what was declined, unless it became necessary', () => {
    const from = install({
      manifest: manifest({ capabilities: [NOTES, { name: 'secrets.get', optional: true }] }),
    });
    expect(added(manifest({ capabilities: [NOTES, { name: 'secrets.get', optional: true }] }), from)).toEqual(
      [],
    );
    expect(added(manifest({ capabilities: [NOTES, 'secrets.get'] }), from)).toEqual(['secrets.get']);
  });

  it('names the settings and secrets that have to be given, and none that have a value or a default', () => {
    const next = manifest({
      settings: {
        type: 'object',
        properties: {
          url: { type: 'string' },
          count: { type: 'integer' },
          greeting: { type: 'string', default: 'Hello' },
          kept: { type: 'string' },
        },
        required: ['url', 'count', 'greeting', 'kept'],
      },
      secrets: [{ name: 'TOKEN', required: true }, { name: 'SET', required: true }, { name: 'SALT' }],
    });
    const from = install({ config: { kept: 'a', count: 'text', gone: 1 }, secrets: ['SET', 'GONE'] });
    const { settingsNeeded } = checkUpgrade(from, next);
    expect([...settingsNeeded].sort()).toEqual(['config.count', 'config.url', 'secrets.TOKEN']);
  });
});
