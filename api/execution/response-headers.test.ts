import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { outwardHeaders } from './response-headers.ts';

const ROOT = '/api/ext/acme.notes';
const ID = '/api/ext/00000000-0000-4000-8000-000000000000';
const at = (path: string) => ({ path: `${ROOT}${path}`, roots: [ROOT, ID], vary: [] });
const locationOf = (location: string | string[], path = '/notes/1'): unknown =>
  outwardHeaders({ location }, at(path))['location'];

describe('location', () => {
  it.each([
    ['2', '/notes/1'],
    ['./2?a=1&b=%2F..#c', '/notes/1'],
    ['../other', '/notes/1'],
    ['?page=2', '/notes/1'],
    ['notes/5', '/'],
    [`${ROOT}/notes/5`, '/notes'],
    [`${ID}/notes/5`, '/notes'],
    [ROOT, '/notes'],
    ['a//b', '/notes'],
  ])('%s passes in an answer at %s', (location, path) => {
    expect(locationOf(location, path)).toBe(location);
  });

  it.each([
    'https://evil.example/api/ext/acme.notes/x',
    'http://nowhere.invalid/api/ext/acme.notes/x',
    'http:api/ext/acme.notes/x',
    'HTTP:/api/ext/acme.notes/x',
    'javascript:alert(1)',
    'data:text/html,x',
    '//evil.example/api/ext/acme.notes/x',
    '//nowhere.invalid/api/ext/acme.notes/x',
    '///evil.example',
    '/\\evil.example',
    '\\\\evil.example',
    '\\evil',
    'x\\..\\..\\..',
    '/',
    '/api/ext/acme.notes2/x',
    '/api/ext/acme.other/x',
    '/api/ext/acme.notes/../acme.other/x',
    '/api/v1/api-keys',
    '../../acme.other',
    '../../../v1/installs',
    '%2e%2e/%2e%2e/%2e%2e/v1',
    '.%2E/..%2Fother',
    'a%5c..',
    '%09/',
    '/api/ext/acme.notes/%2e%2e/acme.other',
    '/\t/evil.example',
    ' //evil.example',
    'a b',
    'caf\xe9',
    '',
  ])('%j stays away', (location) => {
    expect(locationOf(location)).toBeUndefined();
  });

  it('stays away where there are two', () => {
    expect(locationOf(['2', '3'])).toBeUndefined();
  });

  it('leads nowhere but below the root, however a client reads it', () => {
    const piece = fc.constantFrom(
      ...[
        '/',
        '//',
        '\\',
        '.',
        '..',
        '%2e',
        '%2E%2e',
        '%2f',
        '%5C',
        ':',
        '@',
        '?',
        '#',
        'a',
        'http:',
        'evil.example',
      ],
      ...['\t', '\n', '%09', ';', ROOT, '/api', '/ext', 'acme.notes', '%25', '[', ']', '~'],
    );
    const reference = fc.array(piece, { maxLength: 8 }).map((pieces) => pieces.join(''));
    let passed = 0;
    fc.assert(
      fc.property(reference, fc.constantFrom('', '/', '/notes', '/notes/1'), (location, path) => {
        if (locationOf(location, path) === undefined) return;
        passed += 1;
        // As browsers do, as those do that decode before they resolve, and behind TLS.
        for (const scheme of ['http', 'https']) {
          for (const text of [location, decoded(location)]) {
            const { origin, pathname } = new URL(text, `${scheme}://gateway.example${ROOT}${path}`);
            expect(origin).toBe(`${scheme}://gateway.example`);
            expect(pathname === ROOT || pathname.startsWith(`${ROOT}/`)).toBe(true);
          }
        }
      }),
      { numRuns: 5_000 },
    );
    expect(passed).toBeGreaterThan(100);
  });
});

function decoded(location: string): string {
  const [path = '', ...rest] = location.split(/(?=[?#])/);
  try {
    return decodeURIComponent(path) + rest.join('');
  } catch {
    return location;
  }
}

describe('several values of one name', () => {
  const of = (headers: Record<string, string | string[]>) => outwardHeaders(headers, at('/'));

  it('stay as many lines where there may be several', () => {
    expect(
      of({ link: ['</a>; rel=next', '</b>; rel=prev'], 'content-language': ['de', 'en'] }),
    ).toMatchObject({
      link: ['</a>; rel=next', '</b>; rel=prev'],
      'content-language': ['de', 'en'],
    });
  });

  it('are one line of what we add to', () => {
    expect(
      of({ vary: ['accept', 'accept-language'], 'cache-control': ['public', 'max-age=5'] }),
    ).toMatchObject({
      vary: 'accept, accept-language, authorization',
      'cache-control': 'private, max-age=5',
    });
  });

  it('of which only one can be meant are none', () => {
    const headers = of({
      etag: ['"1"', '"2"'],
      'content-type': ['text/plain', 'text/html'],
      'retry-after': ['1', '9'],
    });
    expect(headers).not.toHaveProperty('etag');
    expect(headers).not.toHaveProperty('retry-after');
    expect(headers['content-type']).toBe('application/octet-stream');
  });

  it('lose those that HTTP does not allow', () => {
    expect(of({ link: ['</a>', 'x\r\nset-cookie: a=1'] })['link']).toEqual(['</a>']);
    expect(of({ 'set-cookie': ['a=1', 'b=2'] })).not.toHaveProperty('set-cookie');
  });
});
