import { describe, expect, it } from '@jest/globals';
import { bearerOf, sameDigest, sameSecret } from './bearer.ts';

describe('a bearer credential', () => {
  it.each([
    ['Bearer abc', 'abc'],
    ['bearer  abc', 'abc'],
    ['Basic abc', ''],
    ['Bearer', ''],
    ['Bearer a b', ''],
    [undefined, ''],
  ])('of %j is %j', (authorization, credential) => {
    expect(bearerOf(authorization)).toBe(credential);
  });

  it('is never equal to one of another length', () => {
    expect(sameDigest(Buffer.from('a'), Buffer.from('aa'))).toBe(false);
    expect(sameSecret('a', 'aa')).toBe(false);
    expect(sameSecret('one', 'one')).toBe(true);
  });
});
