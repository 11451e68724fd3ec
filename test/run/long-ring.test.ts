import { existsSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { LONG_RING } from './long-ring.ts';

const ROOT = path.resolve(import.meta.dirname, '../..');

describe('the long ring', () => {
  it.each(LONG_RING)('has the files that $name names', ({ only, whole }) => {
    const files = [...only, ...whole];
    expect(files.length).toBeGreaterThan(0);
    expect(files.filter((file) => !existsSync(path.join(ROOT, file)))).toEqual([]);
  });

  it('calls each part by a name of its own, and has each file once', () => {
    const names = LONG_RING.map(({ name }) => name);
    const files = LONG_RING.flatMap(({ only, whole }) => [...only, ...whole]);
    expect([new Set(names).size, new Set(files).size]).toEqual([names.length, files.length]);
  });
});
