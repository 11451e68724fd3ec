import { describe, expect, it } from '@jest/globals';
import { parseManifest } from './manifest.ts';
import { permissionsOf } from './permissions.ts';

describe('permissionsOf', () => {
  it('lists what is asked for with its scope and reason, then what every install has', () => {
    const scope = { namespaces: ['a'] };
    const manifest = parseManifest(
      JSON.stringify({
        name: 'hello',
        publisher: 'Alga',
        version: '1.0.0',
        runtime: 'wasm-js@1',
        capabilities: ['log.emit', { name: 'storage.kv', scope, optional: true, reason: 'To remember' }],
      }),
    );
    expect(permissionsOf(manifest)).toMatchObject([
      { capability: 'log.emit', always: true, optional: false },
      { capability: 'storage.kv', always: false, scope, optional: true, reason: 'To remember' },
      { capability: 'context.read', always: true },
      { capability: 'user.read', always: true },
    ]);
  });

  it('has a line for an instance that calls share, which a person consents to', () => {
    const manifest = parseManifest(
      JSON.stringify({
        name: 'hello',
        publisher: 'Alga',
        version: '1.0.0',
        runtime: 'wasm-js@1',
        instance: 'shared',
      }),
    );
    expect(permissionsOf(manifest)[0]).toEqual({
      capability: 'instance.shared',
      scope: {},
      always: false,
      optional: false,
      summary: expect.stringContaining('memory from one call to the next') as unknown,
    });
    const names = permissionsOf({ ...manifest, instance: 'fresh' }).map(({ capability }) => capability);
    expect(names).not.toContain('instance.shared');
  });

  it('has a line for the headers that endpoints ask for, which a person consents to', () => {
    const endpoint = (path: string, headers?: string[]) => ({ method: 'POST', path, handler: 'h', headers });
    const manifest = parseManifest(
      JSON.stringify({
        name: 'hello',
        publisher: 'Alga',
        version: '1.0.0',
        runtime: 'wasm-js@1',
        api: {
          endpoints: [
            endpoint('/a', ['stripe-signature']),
            endpoint('/b'),
            endpoint('/c', ['stripe-signature', 'prefer']),
          ],
        },
      }),
    );
    expect(permissionsOf(manifest)[0]).toEqual({
      capability: 'headers.read',
      scope: { names: ['stripe-signature', 'prefer'] },
      always: false,
      optional: false,
      summary: expect.stringContaining('headers') as unknown,
    });
  });
});
