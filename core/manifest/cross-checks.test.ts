import { describe, expect, it } from '@jest/globals';
import { crossCheck } from './cross-checks.ts';
import { completeManifestExample } from './example.ts';
import { manifestSchema } from './schema.ts';

const MINIMAL = { name: 'hello', publisher: 'Alga', version: '1.0.0', runtime: 'wasm-js@1' };
const get = (path: string, more: object = {}): object => ({ method: 'GET', path, handler: 'h', ...more });
const endpoints = (...list: object[]): Record<string, unknown> => ({ api: { endpoints: list } });

describe('crossCheck', () => {
  it('finds nothing in the complete example', () => {
    expect(crossCheck(manifestSchema.parse(completeManifestExample))).toEqual([]);
  });

  it('takes endpoints that overlap, where one is more exact or has another method', () => {
    const overlapping = endpoints(get('/a/:x'), get('/a/b'), get('/:y/b'), get('/a/:z', { method: 'PUT' }));
    expect(crossCheck(manifestSchema.parse({ ...MINIMAL, ...overlapping }))).toEqual([]);
  });

  it.each<[string, Record<string, unknown>, string, string]>([
    [
      'a capability twice',
      { capabilities: ['log.emit', 'cap:log.emit'] },
      'capabilities[1].name',
      'duplicate',
    ],
    [
      'a secret in a scope that is not declared',
      { capabilities: [{ name: 'secrets.get', scope: { names: ['TOKEN'] } }] },
      'capabilities[0].scope.names[0]',
      'unknown_secret',
    ],
    ['a param twice', endpoints(get('/:a/:a')), 'api.endpoints[0].path', 'duplicate_param'],
    ['an endpoint twice', endpoints(get('/a'), get('/a')), 'api.endpoints[1]', 'duplicate'],
    [
      'endpoints that match the same',
      endpoints(get('/a/:x'), get('/a/:y')),
      'api.endpoints[1].path',
      'conflict',
    ],
    ['a secret twice', { secrets: [{ name: 'A' }, { name: 'A' }] }, 'secrets[1].name', 'duplicate'],
    [
      'an event twice',
      {
        events: [
          { topic: 'a.b', handler: 'h' },
          { topic: 'a.b', handler: 'h' },
        ],
      },
      'events[1]',
      'duplicate',
    ],
    [
      'a health endpoint that is not declared',
      { health: '/up', ...endpoints(get('/health')) },
      'health',
      'unknown_endpoint',
    ],
    [
      'a health endpoint of another method',
      { health: '/up', ...endpoints(get('/up', { method: 'POST' })) },
      'health',
      'unknown_endpoint',
    ],
  ])('refuses %s', (_what, manifest, path, code) => {
    const issues = crossCheck(manifestSchema.parse({ ...MINIMAL, ...manifest }));
    expect(issues.map((issue) => ({ path: issue.path, code: issue.code }))).toEqual([{ path, code }]);
    // The message says what to do about it.
    expect(issues[0]?.message).toMatch(/remove|rename|add/);
  });
});
