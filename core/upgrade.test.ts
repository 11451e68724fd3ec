import { describe, expect, it } from '@jest/globals';
import { parseManifest, type Manifest } from './manifest/manifest.ts';
import { carrySettings, checkUpgrade, grantsAfterUpgrade, type Upgradable } from './upgrade.ts';

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
    ['asks for what nobody serves', [NOTES, { name: 'events.emit', optional: true }]],
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

describe('the grants of the next version', () => {
  const scoped = (...namespaces: string[]) => ({ name: 'storage.kv', scope: { namespaces } });
  const narrowed = install({
    manifest: manifest({ capabilities: [scoped('notes', 'logs', 'drafts')] }),
    grants: [{ capability: 'storage.kv', scope: { namespaces: ['notes', 'logs'] } }],
  });

  it.each([
    ['the same', ['notes', 'logs', 'drafts'], ['notes', 'logs']],
    ['less', ['logs', 'drafts'], ['logs']],
  ])(
    'stay as an admin has narrowed them where it asks for %s, whatever is consented to',
    (_what, asked, left) => {
      const next = manifest({ capabilities: [scoped(...asked)] });
      expect(checkUpgrade(narrowed, next).needsConsent).toBe(false);
      expect(grantsAfterUpgrade(narrowed, next, 'all')).toEqual([
        { capability: 'storage.kv', scope: { namespaces: left } },
      ]);
    },
  );

  it.each([
    ['more than was asked for before', ['notes', 'logs', 'drafts', 'new']],
    ['nothing that is left', ['drafts']],
  ])('are asked for again where it asks for %s', (_what, asked) => {
    const next = manifest({ capabilities: [scoped(...asked)] });
    expect(checkUpgrade(narrowed, next).needsConsent).toBe(true);
    expect(grantsAfterUpgrade(narrowed, next, [])).toEqual([]);
    expect(grantsAfterUpgrade(narrowed, next, ['storage.kv'])).toEqual([
      { capability: 'storage.kv', scope: { namespaces: asked } },
    ]);
  });

  it('take over what was withheld of what every install has', () => {
    const told = (...fields: string[]) => ({ capability: 'user.read' as const, scope: { fields } });
    const from = install({ grants: [told('name')] });
    expect(grantsAfterUpgrade(from, manifest(), 'all')).toEqual([told('name')]);
    expect(grantsAfterUpgrade(from, manifest(), 'all', [told('name', 'email')])).toEqual([told('name')]);
    expect(grantsAfterUpgrade(from, manifest(), 'all', [told()])).toEqual([told()]);
  });

  it('are those that were granted and asked for, and of the rest what is consented to', () => {
    const next = manifest({
      capabilities: [NOTES, { name: 'secrets.get', optional: true }, 'config.read', 'log.emit'],
    });
    expect(grantsAfterUpgrade(install(), next, ['config.read']).map(({ capability }) => capability)).toEqual([
      'storage.kv',
      'config.read',
    ]);
    expect(grantsAfterUpgrade(install(), next, 'all')).toHaveLength(3);
    expect(grantsAfterUpgrade(install(), manifest({ capabilities: [] }), 'all')).toEqual([]);
  });

  it('have the narrower scope that an admin consented to, and never a wider one', () => {
    const next = manifest({ capabilities: [scoped('notes', 'new')] });
    const to = (...namespaces: string[]) => [{ capability: 'storage.kv', scope: { namespaces } } as const];
    expect(grantsAfterUpgrade(install(), next, ['storage.kv'], to('new'))).toEqual(to('new'));
    expect(grantsAfterUpgrade(install(), next, ['storage.kv'], to('other'))).toEqual(to('notes', 'new'));
  });

  it('leave declined what was, unless it is consented to by its name', () => {
    const optional = { name: 'secrets.get', optional: true };
    const from = install({ manifest: manifest({ capabilities: [NOTES, optional] }) });
    const next = manifest({ capabilities: [NOTES, optional] });
    expect(grantsAfterUpgrade(from, next, 'all')).toHaveLength(1);
    expect(grantsAfterUpgrade(from, next, ['secrets.get'])).toHaveLength(2);
  });
});

describe('the settings of the next version', () => {
  const schema = (properties: object, required: string[] = []) =>
    manifest({ settings: { type: 'object', properties, required } });
  const from = { config: { greeting: 'Hi', gone: 1 }, aside: { back: 'again' }, secrets: [] };

  it('are those it has, with what is given over them; the others are kept aside', () => {
    const next = schema({
      greeting: { type: 'string' },
      back: { type: 'string' },
      fresh: { type: 'integer', default: 3 },
    });
    expect(carrySettings(from, next, { config: { greeting: 'Yo' } })).toEqual({
      config: { greeting: 'Yo', back: 'again', fresh: 3 },
      aside: { gone: 1 },
      needed: [],
    });
  });

  it('are needed where they are required and missing, or do not fit any more', () => {
    const next = schema({ greeting: { type: 'integer' }, url: { type: 'string' } }, ['url']);
    expect([...carrySettings(from, next).needed].sort()).toEqual(['config.greeting', 'config.url']);
    expect(carrySettings(from, next, { config: { greeting: 1, url: 'x' } }).needed).toEqual([]);
  });

  it('need no secret that is set or given, and one that is removed', () => {
    const next = { ...schema({}), secrets: [{ name: 'TOKEN', description: '', required: true }] };
    const needed = (secrets: string[], given: Record<string, object | null> = {}) =>
      carrySettings({ config: {}, secrets }, next, { secrets: given }).needed;
    expect(needed([])).toEqual(['secrets.TOKEN']);
    expect(needed(['TOKEN'])).toEqual([]);
    expect(needed([], { TOKEN: {} })).toEqual([]);
    expect(needed(['TOKEN'], { TOKEN: null })).toEqual(['secrets.TOKEN']);
  });
});
