import { afterEach, describe, expect, it } from '@jest/globals';
import { createLogger } from '../../platform/logger.ts';
import { positionsMap } from '../../scripts/positions-map.ts';
import { createStackMapper, type StackMapper } from './map-stack.ts';
import type { ReadSourceMaps } from './source-maps.ts';

const SCRIPT = 'function deep() {\n  throw new Error();\n}';
const MAP = positionsMap(SCRIPT, 'src/main.ts', 'main.js');
const STACK = 'an error\n  deep@main.js:2:9\n  handler@/main.js:1:1\n  other@glue.js:1:1';
const MAPPED = 'an error\n  deep@src/main.ts:2:9\n  handler@src/main.ts:1:1\n  other@glue.js:1:1';

const mappers: StackMapper[] = [];
afterEach(async () => {
  await Promise.all(mappers.splice(0).map((mapper) => mapper.close()));
});

function setup(maps: Record<string, string> | Error) {
  const log: string[] = [];
  const reads: string[] = [];
  const readMaps: ReadSourceMaps = (contentHash) => {
    reads.push(contentHash);
    return maps instanceof Error ? Promise.reject(maps) : Promise.resolve(new Map(Object.entries(maps)));
  };
  const logger = createLogger({ level: 'info', process: 'runner' }, { write: (line) => void log.push(line) });
  const mapper = createStackMapper({ readMaps, logger });
  mappers.push(mapper);
  return { mapper, log, reads };
}

describe('a stack', () => {
  it('is shown in the sources of its author', async () => {
    const { mapper } = setup({ 'main.js': MAP });
    // The thread takes its time to start, and nobody waits for it for long.
    while ((await mapper.map('sha256:a', STACK)) === STACK);
    expect(await mapper.map('sha256:a', STACK)).toBe(MAPPED);
  });

  it.each([
    ['is no JSON', 'nonsense'],
    ['is no map', '[]'],
    ['is of several scripts', '{"version":3,"sections":[]}'],
    ['names nothing', '{"version":3,"sources":[],"names":[],"mappings":""}'],
  ])('stays as it is where its map %s', async (_what, map) => {
    const { mapper } = setup({ 'main.js': map });
    expect(await mapper.map('sha256:a', STACK)).toBe(STACK);
  });

  it('stays as it is where the bundle has no map, cannot be had, or the stack names no script', async () => {
    expect(await setup({}).mapper.map('sha256:a', STACK)).toBe(STACK);
    const away = setup(new Error('the store is away'));
    expect(await away.mapper.map('sha256:a', STACK)).toBe(STACK);
    expect(away.log.join('')).toContain('could not be read');
    const { mapper, reads } = setup({});
    expect(await mapper.map('sha256:a', 'panicked at src/lib.rs:1:1')).toBe('panicked at src/lib.rs:1:1');
    expect(reads).toEqual([]);
  });

  it('stays as it is where a map takes all memory or time, and that map is left alone from then on', async () => {
    const { mapper, log, reads } = setup({
      // Each letter is a mapping, each mapping an array.
      'main.js': JSON.stringify({
        version: 3,
        sources: ['a'],
        names: [],
        mappings: 'AAAA,'.repeat(6_000_000),
      }),
    });
    while (log.length === 0) expect(await mapper.map('sha256:a', STACK)).toBe(STACK);
    expect(log.join('')).toContain('source maps of a bundle are left alone');
    const before = reads.length;
    expect(await mapper.map('sha256:a', STACK)).toBe(STACK);
    expect(reads).toHaveLength(before);
  });

  it('waits behind so many others, and no more', async () => {
    const { mapper, reads } = setup({ 'main.js': MAP });
    await Promise.all(Array.from({ length: 100 }, () => mapper.map('sha256:a', STACK)));
    expect(reads.length).toBeLessThanOrEqual(16);
  });
});
