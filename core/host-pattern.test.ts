import { describe, expect, it } from '@jest/globals';
import { hostPattern, hostsAllow, patternCovers } from './host-pattern.ts';

describe('a pattern of hosts', () => {
  it.each([
    'api.example.com',
    '*.example.com',
    'api.example.com:8443',
    '*.example.com:8443',
    'xn--bcher-kva.example',
    '*.example.co.uk',
    '*.myshopify.com', // what a company gives its customers is not what a registry gives strangers
    'localhost:3000',
    '203.0.113.7',
    '10.20.0.5:8080',
    'a--b.example',
  ])('may be %s', (pattern) => {
    expect(hostPattern.safeParse(pattern).error).toBeUndefined();
  });

  it.each([
    ['https://api.example.com', 'without a scheme'],
    ['api.example.com/path', 'without a scheme'],
    ['API.example.com', 'in lower case'],
    ['bücher.example', 'in lower case'],
    ['*', 'must be a host'],
    ['api.*.com', 'must be a host'],
    ['*api.example.com', 'must be a host'],
    ['**.example.com', 'must be a host'],
    ['user@example.com', 'must be a host'],
    ['[::1]', 'must be a host'],
    ['example.com.', 'must be a host'],
    ['example.com:0', 'must be a host'],
    ['example.com:080', 'must be a host'],
    ['example.com:65536', 'above 65535'],
    ['example..com', 'is no host'],
    [`${'a'.repeat(64)}.example.com`, 'is no host'],
    ['256.1.1.1', 'is no host'],
    ['127.1', 'must be written as 127.0.0.1'],
    ['2130706433', 'must be written as 127.0.0.1'],
    ['0x7f.0.0.1', 'must be written as 127.0.0.1'],
    ['*.127.0.0.1', 'is no host'],
    ['xn--', 'must be a host'],
    ['*.com', 'name the domain, such as *.example.com'],
    ['*.co.uk', 'name the domain, such as *.example.co.uk'],
    ['*.com.au:8443', 'name the domain'],
    ['*.kawasaki.jp', 'name the domain'],
    ['*.internal', 'name the domain'],
    ['*.localhost', 'name the domain'],
  ])('may not be %s, which is told: %s', (pattern, told) => {
    expect(hostPattern.safeParse(pattern).error?.issues.map(({ message }) => message)).toEqual([
      expect.stringContaining(told),
    ]);
  });

  it.each<[string, string, boolean]>([
    ['api.example.com', 'https://api.example.com/a?b', true],
    ['api.example.com', 'http://api.example.com/', true],
    ['api.example.com', 'https://api.example.com:443/', true],
    ['api.example.com', 'https://API.Example.COM/', true],
    ['api.example.com', 'https://api.example.com:8443/', false],
    ['api.example.com', 'http://api.example.com:443/', false],
    ['api.example.com', 'https://api.example.com.evil.example/', false],
    ['api.example.com', 'https://evil.example/api.example.com', false],
    ['api.example.com', 'https://xapi.example.com/', false],
    ['api.example.com', 'https://a.api.example.com/', false],
    ['api.example.com:8443', 'https://api.example.com:8443/', true],
    ['api.example.com:8443', 'http://api.example.com:8443/', true],
    ['api.example.com:8443', 'https://api.example.com/', false],
    ['api.example.com:443', 'https://api.example.com/', true],
    ['api.example.com:443', 'http://api.example.com/', false],
    ['*.example.com', 'https://a.example.com/', true],
    ['*.example.com', 'https://a.b.example.com/', true],
    ['*.example.com', 'https://example.com/', false],
    ['*.example.com', 'https://aexample.com/', false],
    ['*.example.com', 'https://.example.com/', true], // a URL with an empty label is refused before
    ['*.example.com', 'https://a.example.com:8443/', false],
    ['*', 'https://any.example/', true],
    ['*', 'http://any.example/', true],
    ['*', 'https://any.example:8443/', false],
  ])('%s and %s: %s', (pattern, url, allowed) => {
    expect(hostsAllow([pattern], new URL(url))).toBe(allowed);
  });

  it('allows nothing where there is none', () => {
    expect(hostsAllow([], new URL('https://example.com'))).toBe(false);
  });

  it.each<[string, string, boolean]>([
    ['*', 'api.example.com', true],
    ['*', '*.example.com', true],
    ['*', 'api.example.com:8443', false],
    ['*.example.com', 'a.example.com', true],
    ['*.example.com', '*.a.example.com', true],
    ['*.example.com', 'example.com', false],
    ['*.example.com', 'a.example.com:8443', false],
    ['*.example.com', '*', false],
    ['a.example.com', '*.example.com', false],
    ['a.example.com:8443', 'a.example.com', false],
  ])('%s takes in %s: %s', (wide, narrow, covers) => {
    expect(patternCovers(wide, narrow)).toBe(covers);
  });
});
