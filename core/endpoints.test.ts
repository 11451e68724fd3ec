import { describe, expect, it } from '@jest/globals';
import { endpointShape, matchEndpoint } from './endpoints.ts';
import { fc } from '../test/support/properties.ts';

const ENDPOINTS = [
  { method: 'GET', path: '/' },
  { method: 'GET', path: '/orders' },
  { method: 'POST', path: '/orders' },
  { method: 'GET', path: '/orders/:id' },
  { method: 'GET', path: '/orders/new' },
  { method: 'DELETE', path: '/orders/:id' },
  { method: 'GET', path: '/orders/:id/lines/:line' },
  { method: 'GET', path: '/:kind/new' },
];
const match = (method: string, path: string): unknown => matchEndpoint(ENDPOINTS, method, path);
const serves = (path: string, params: Record<string, string> = {}): unknown =>
  expect.objectContaining({ endpoint: expect.objectContaining({ path }) as unknown, params });

const literal = fc.stringMatching(/^[a-z][a-z0-9._~-]{0,8}$/);
const value = fc
  .string({ minLength: 1 })
  .filter((text) => !/[/\\\p{Cc}]/u.test(text) && !['.', '..'].includes(text));

describe('matchEndpoint', () => {
  it.each([
    ['GET', '/', serves('/')],
    ['GET', '/orders', serves('/orders')],
    ['HEAD', '/orders', serves('/orders')],
    ['GET', '/orders/7', serves('/orders/:id', { id: '7' })],
    ['GET', '/orders/new', serves('/orders/new')],
    ['GET', '/things/new', serves('/:kind/new', { kind: 'things' })],
    ['GET', '/orders/a%20b/lines/%C3%A9', serves('/orders/:id/lines/:line', { id: 'a b', line: 'é' })],
    ['GET', '/%6Frders', serves('/orders')],
    ['PUT', '/orders', { allow: ['GET', 'HEAD', 'POST'] }],
    ['HEAD', '/nothing', undefined],
    ['get', '/orders', { allow: ['GET', 'HEAD', 'POST'] }],
    ['DELETE', '/orders/new', serves('/orders/:id', { id: 'new' })],
    ['GET', '/orders/', undefined],
    ['GET', '//orders', undefined],
    ['GET', '/orders//lines/1', undefined],
    ['GET', '/ORDERS', undefined],
    ['GET', '', undefined],
    ['GET', 'orders', undefined],
    ['GET', '/orders/%', undefined],
    ['GET', '/orders/%ff', undefined],
    ['GET', '/orders/%2e%2e', undefined],
    ['GET', '/orders/..', undefined],
    ['GET', '/orders/a%2Fb', undefined],
    ['GET', '/orders/a%5Cb', undefined],
    ['GET', '/orders/a%00', undefined],
    ['GET', '/orders/a%0d%0a', undefined],
  ])('%s %s', (method, path, answer) => {
    expect(match(method, path)).toEqual(answer);
  });

  it('gives back what was put into the path, whatever it was', () => {
    fc.assert(
      fc.property(literal, value, literal, value, (a, x, b, y) => {
        const endpoint = { method: 'GET', path: `/${a}/:x/${b}/:y` };
        const path = `/${a}/${encodeURIComponent(x)}/${b}/${encodeURIComponent(y)}`;
        expect(matchEndpoint([endpoint], 'GET', path)).toEqual({ endpoint, params: { x, y } });
      }),
    );
  });

  it('chooses the same endpoint in whatever order they are declared', () => {
    const segment = fc.constantFrom('a', 'b', ':p', ':q');
    const pattern = fc.array(segment, { minLength: 1, maxLength: 3 }).map((parts) => `/${parts.join('/')}`);
    const patterns = fc.uniqueArray(pattern, { selector: endpointShape, maxLength: 8 });
    const path = fc
      .array(fc.constantFrom('a', 'b', 'c'), { minLength: 1, maxLength: 3 })
      .map((parts) => `/${parts.join('/')}`);
    fc.assert(
      fc.property(patterns, path, (paths, wanted) => {
        const endpoints = paths.map((each) => ({ method: 'GET', path: each }));
        expect(matchEndpoint(endpoints.toReversed(), 'GET', wanted)).toEqual(
          matchEndpoint(endpoints, 'GET', wanted),
        );
      }),
    );
  });

  it('never throws, whatever the path', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.webPath()), (path) => {
        expect(() => match('GET', path)).not.toThrow();
      }),
    );
  });
});
