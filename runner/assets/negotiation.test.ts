import { describe, expect, it } from '@jest/globals';
import { acceptedCodings, wishOf } from './negotiation.ts';

describe('the codings that a request takes', () => {
  it.each([
    [undefined, ['identity']],
    ['', ['identity']],
    ['gzip, deflate, br, zstd', ['br', 'zstd', 'gzip', 'identity']],
    ['gzip', ['gzip', 'identity']],
    ['br;q=0.5, gzip;q=0.9', ['gzip', 'br', 'identity']],
    ['br;q=0, zstd', ['zstd', 'identity']],
    ['*', ['br', 'zstd', 'gzip', 'identity']],
    ['*;q=0', ['identity']],
    ['identity;q=1, br;q=0.1', ['identity', 'br']],
    ['compress', ['identity']],
    ['GZIP', ['gzip', 'identity']],
  ])('of %j are %j', (accept, codings) => {
    expect(acceptedCodings(accept)).toEqual(codings);
  });
});

describe('what a request makes of a file', () => {
  const file = { etag: '"e"', size: 100 };

  it.each([
    [{}, 'whole'],
    [{ 'if-none-match': '"e"' }, 'not-modified'],
    [{ 'if-none-match': '"a", W/"e"' }, 'not-modified'],
    [{ 'if-none-match': '*' }, 'not-modified'],
    [{ 'if-none-match': '"a"' }, 'whole'],
    [{ 'if-none-match': '"e"', range: 'bytes=0-1' }, 'not-modified'],
    [{ 'if-match': '"e"' }, 'whole'],
    [{ 'if-match': '*' }, 'whole'],
    [{ 'if-match': 'W/"e"' }, 'failed'],
    [{ range: 'bytes=0-1' }, { start: 0, end: 1 }],
    [{ range: 'bytes=90-' }, { start: 90, end: 99 }],
    [{ range: 'bytes=90-1000' }, { start: 90, end: 99 }],
    [{ range: 'bytes=-10' }, { start: 90, end: 99 }],
    [{ range: 'bytes=-1000' }, { start: 0, end: 99 }],
    [{ range: 'bytes=100-' }, 'unsatisfiable'],
    [{ range: 'bytes=-0' }, 'unsatisfiable'],
    [{ range: 'bytes=9-1' }, 'whole'],
    [{ range: 'bytes=-' }, 'whole'],
    [{ range: 'bytes=0-1,5-6' }, 'whole'],
    [{ range: 'lines=0-1' }, 'whole'],
    [
      { range: 'bytes=0-1', 'if-range': '"e"' },
      { start: 0, end: 1 },
    ],
    [{ range: 'bytes=0-1', 'if-range': 'W/"e"' }, 'whole'],
    [{ range: 'bytes=0-1', 'if-range': '"old"' }, 'whole'],
    [{ range: 'bytes=0-1', 'if-range': 'Wed, 21 Oct 2026 07:28:00 GMT' }, 'whole'],
  ])('with %j is %j', (headers, wish) => {
    expect(wishOf(headers, file)).toEqual(wish);
  });

  it('is nothing of an empty file but the whole', () => {
    expect(wishOf({ range: 'bytes=0-0' }, { etag: '"e"', size: 0 })).toBe('unsatisfiable');
  });
});
