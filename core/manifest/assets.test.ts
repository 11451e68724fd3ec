import { describe, expect, it } from '@jest/globals';
import { assetFaults, matchingFaults, servedFiles } from './assets.ts';

const faultOf = (pattern: string): string | undefined => assetFaults([pattern])[0]?.message;
const matches = (pattern: string, path: string): boolean => servedFiles({ assets: [pattern] })(path);

it('are refused when holding them against the paths of a bundle would take a runner for long', () => {
  const paths = Array.from({ length: 10_000 }, (_none, at) => `ui/${'a'.repeat(1000)}${at}`);
  expect(matchingFaults(['ui/**', 'ui/*.js'], paths)).toEqual([]);
  const many = Array.from({ length: 90 }, (_none, at) => `ui/${'a'.repeat(200)}${at}`);
  expect(matchingFaults(many, paths)).toMatchObject([{ path: 'assets', code: 'matching_cost' }]);
  expect(matchingFaults(many, ['entry.wasm', 'ui/index.html'])).toEqual([]);
});

describe('a pattern of assets', () => {
  it.each([
    ['ui/a.js', 'ui/a.js'],
    ['ui/*', 'ui/a.js'],
    ['ui/*.js', 'ui/.js'],
    ['ui/a*c*e', 'ui/abcde'],
    ['ui/**', 'ui/a.js'],
    ['ui/**', 'ui/a/b/c.js'],
    ['ui/**/*.js', 'ui/a.js'],
    ['ui/**/*.js', 'ui/a/b/c.js'],
    ['ui/**/b/**/d', 'ui/b/d'],
    ['ui/**/b/**/d', 'ui/a/b/c/b/d'],
    ['ui/*/x/*', 'ui/a/x/b'],
    ['ui/{a,b}.js', 'ui/b.js'],
    ['ui/*.{js,css}', 'ui/a.b.css'],
    ['ui/a{,.min}.{js,css}', 'ui/a.min.js'],
    ['ui/{a*,b}/c', 'ui/axx/c'],
    ['ui/Größe 1%.css', 'ui/Größe 1%.css'],
  ])('%s matches %s', (pattern, path) => {
    expect(faultOf(pattern)).toBeUndefined();
    expect(matches(pattern, path)).toBe(true);
  });

  it.each([
    ['ui/a.js', 'ui/a.jsx'],
    ['ui/a.js', 'ui/A.js'],
    ['ui/a.js', 'ui/axjs'],
    ['ui/*', 'ui/a/b.js'],
    ['ui/*.js', 'ui/a.js.map'],
    ['ui/a*c', 'ui/ab/c'],
    ['ui/**/*.js', 'ui/a.css'],
    ['ui/**/b/d', 'ui/ab/d'],
    ['ui/a/**', 'ui/a'],
    ['ui/a/**', 'ui/ab/c'],
    ['ui/{a,b}.js', 'ui/ab.js'],
    ['ui/app/**', 'entry.wasm'],
  ])('%s does not match %s', (pattern, path) => {
    expect(faultOf(pattern)).toBeUndefined();
    expect(matches(pattern, path)).toBe(false);
  });

  it.each([
    'ui/a?.js',
    'ui/[ab].js',
    'ui/!(a).js',
    'ui/+(a|b)',
    'ui/a\\b.js',
    'ui/',
    'ui//a',
    'ui/../entry.wasm',
    'ui/./a',
    'ui/{a,b',
    'ui/a,b}',
    'ui/{a,{b,c}}',
    'ui/{a/b,c}',
    'ui/{**,c}',
    'ui/a**b',
  ])('is not %s, which matches nothing but a file of that very name', (pattern) => {
    expect(faultOf(pattern)).toMatch(/^has /);
    expect(matches(pattern, pattern)).toBe(true);
    for (const path of ['ui/a.js', 'ui/ab', 'ui/b', 'entry.wasm']) {
      expect(matches(pattern, path)).toBe(false);
    }
  });

  it('is done with in one pass for each wildcard, however it is laid out', () => {
    const path = `ui/${'a'.repeat(252)}`;
    const patterns = [`ui/${'*a'.repeat(31)}*b`, `ui/*{${',a'.repeat(30)}}b`, `ui/${'{a,aa}'.repeat(15)}*b`];
    const before = process.cpuUsage();
    for (const pattern of patterns) {
      expect(faultOf(pattern)).toBeUndefined();
      expect(matches(pattern, path)).toBe(false);
    }
    // A backtracking matcher takes minutes for each.
    const { user, system } = process.cpuUsage(before);
    expect(user + system).toBeLessThan(5_000_000);
  });

  it('is one of too many when all together have more wildcards than are looked for', () => {
    const assets = ['ui/a.js', ...Array.from({ length: 33 }, (_, at) => `ui/${at}/*`)];
    expect(assetFaults(assets)).toMatchObject([{ path: 'assets', code: 'pattern_invalid' }]);
    expect(['ui/a.js', 'ui/1/a'].map(servedFiles({ assets }))).toEqual([true, false]);
  });
});

describe('the files that are served', () => {
  it('are all of ui/ without patterns, and never another', () => {
    const isServed = servedFiles({});
    expect(['ui/a/b.js', 'ui/.x', 'entry.wasm', 'manifest.json', 'uix/a'].map(isServed)).toEqual([
      true,
      true,
      false,
      false,
      false,
    ]);
  });

  it('are none where no pattern is, but for the entry', () => {
    const isServed = servedFiles({ assets: [], ui: { entry: 'ui/index.html' } });
    expect(['ui/index.html', 'ui/a.js'].map(isServed)).toEqual([true, false]);
  });
});
