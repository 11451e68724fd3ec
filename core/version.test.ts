import { describe, expect, it } from '@jest/globals';
import { isExactVersion, isWildcardVersion, matchVersion, resolveWildcard } from './version.ts';

describe('resolveWildcard', () => {
  it.each<[string[], string]>([
    [[], '1.2.0'],
    [['1.2.0'], '1.2.1'],
    [['1.2.9', '1.2.10', '1.2.2'], '1.2.11'],
    [['1.3.7', '2.2.9', '0.2.5'], '1.2.0'],
    [['1.2.4-beta.1'], '1.2.5'],
    [['nonsense', '1.2.1'], '1.2.2'],
  ])('of 1.2.* after %j is %s', (existing, next) => {
    expect(resolveWildcard('1.2.*', existing)).toBe(next);
  });

  it.each(['1.2.3', '1.*', '*', '01.2.*', '1.2.*.*'])('refuses %s', (text) => {
    expect(isWildcardVersion(text)).toBe(false);
    expect(() => resolveWildcard(text, [])).toThrow(TypeError);
  });
});

describe('matchVersion', () => {
  const published = ['1.2.3', '1.2.10', '1.3.0-beta.1', '1.1.9'];

  it.each<[string | undefined, string | undefined]>([
    [undefined, '1.2.10'],
    ['1.2.*', '1.2.10'],
    ['1.1.*', '1.1.9'],
    ['1.3.*', undefined],
    ['1.3.0-beta.1', '1.3.0-beta.1'],
    ['1.2.3', '1.2.3'],
    ['1.2.4', undefined],
    ['^1.0.0', undefined],
    ['', undefined],
  ])('of %j is %j', (wanted, found) => {
    expect(matchVersion(wanted, published)).toBe(found);
  });

  it('finds nothing among nothing', () => {
    expect(matchVersion(undefined, [])).toBeUndefined();
  });
});

describe('isExactVersion', () => {
  it.each(['1.2.3', '0.0.0', '1.2.3-rc.1'])('takes %s', (text) => {
    expect(isExactVersion(text)).toBe(true);
  });
  it.each(['1.2', 'v1.2.3', '1.2.3+1', ' 1.2.3', '1.2.x', ''])('refuses %j', (text) => {
    expect(isExactVersion(text)).toBe(false);
  });
});
