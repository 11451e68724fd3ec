import { describe, expect, it } from '@jest/globals';
import { createKeptAssets, type Asset } from './kept-assets.ts';

const asset = (file: string, bytes: number): Asset => ({
  file,
  forms: new Map([['identity', { etag: '"e"', bytes: Buffer.alloc(bytes) }]]),
});
const KIB = 1024;

describe('assets in memory', () => {
  it('make room by what was not used for longest, up to so many bytes', () => {
    const kept = createKeptAssets(40 * KIB);
    kept.keep('a', asset('a', 10 * KIB));
    kept.keep('b', asset('b', 10 * KIB));
    kept.get('a');
    kept.keep('c', asset('c', 10 * KIB));
    expect(['a', 'b', 'c'].map((key) => kept.get(key)?.file)).toEqual(['a', undefined, 'c']);
  });

  it('count what a form got later, and once', () => {
    const kept = createKeptAssets(40 * KIB);
    const grown: Asset = { file: 'a', forms: new Map([['identity', { etag: '"e"' }]]) };
    for (let times = 0; times < 5; times += 1) kept.keep('a', grown);
    kept.keep('b', asset('b', 20 * KIB));
    expect(kept.get('a')).toBe(grown);
    for (const form of grown.forms.values()) form.bytes = Buffer.alloc(20 * KIB);
    kept.keep('a', grown);
    expect([kept.get('a'), kept.get('b')]).toEqual([grown, undefined]);
  });

  it('are bounded in number where they have no bytes', () => {
    const kept = createKeptAssets(40 * KIB);
    for (let at = 0; at < 100; at += 1) kept.keep(String(at), { file: 'x', forms: new Map() });
    expect(Array.from({ length: 100 }, (_, at) => kept.get(String(at))).filter(Boolean)).toHaveLength(10);
  });
});
