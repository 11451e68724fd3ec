import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { capabilityOfInterface } from '../../core/capabilities.ts';
import {
  camelCase,
  extensionInterface,
  RANDOM_INTERFACE,
  TYPES_INTERFACE,
  worldFunctions,
  WORLD,
} from '../../core/world.ts';

const folder = join(import.meta.dirname, '..', '..', 'wit');
const commented = readdirSync(folder)
  .map((file) => readFileSync(join(folder, file), 'utf8'))
  .join('\n');
const wit = commented.replace(/\/\/.*$/gm, '');

function functionsInWit(): Record<string, Record<string, string>> {
  const interfaces: Record<string, Record<string, string>> = {};
  for (const [, name, body] of wit.matchAll(/^interface ([a-z0-9-]+) \{\n(.*?)^\}/gms)) {
    const functions = [...(body ?? '').matchAll(/^ +([a-z0-9-]+): func\([^)]*\)(?: -> (\w+))?/gm)];
    interfaces[name ?? ''] = Object.fromEntries(
      functions.map(([, fn = '', answer]) => [fn, answer === 'result' ? 'result' : 'value'] as const),
    );
  }
  return interfaces;
}

describe('the table of the world', () => {
  it('is what wit/ says', () => {
    const { [TYPES_INTERFACE]: types, ...callable } = functionsInWit();
    expect(types).toEqual({});
    expect(callable).toEqual(WORLD);
  });

  it('holds exactly what world runner imports', () => {
    const imported = [...wit.matchAll(/^ {4}import ([a-z0-9-]+);/gm)].map(([, name]) => name);
    expect(imported).toEqual(Object.keys(WORLD));
  });

  it('has a capability for every interface but randomness', () => {
    const free = Object.keys(WORLD).filter((name) => capabilityOfInterface(name) === undefined);
    expect(free).toEqual([RANDOM_INTERFACE]);
  });

  it('names the same capability as the comment of each interface', () => {
    const documented = [...commented.matchAll(/((?:^\/\/\/.*\n)*)^interface ([a-z0-9-]+) \{/gm)].map(
      ([, comment = '', name = '']) => [name, /^\/\/\/ @requires\("cap:(.+)"\)$/m.exec(comment)?.[1]],
    );
    expect(documented).toHaveLength(Object.keys(WORLD).length + 1); // and the types
    for (const [name = '', required] of documented)
      expect([name, capabilityOfInterface(name)]).toEqual([name, required]);
  });

  it('knows no interface that an object inherits', () => {
    expect(worldFunctions('constructor')).toBeUndefined();
    expect(worldFunctions('storage')).toHaveProperty('list-entries', 'result');
  });

  it('reads an import with and without its version, and none of another package', () => {
    expect(extensionInterface('alga:extension/user-v2')).toBe('user-v2');
    expect(extensionInterface('alga:extension/user-v2@1.2.0')).toBe('user-v2');
    expect(extensionInterface('wasi:io/poll@0.2.12')).toBeUndefined();
    expect(extensionInterface('alga:extensions/storage')).toBeUndefined();
  });

  it('names functions as the glue does', () => {
    expect(camelCase('list-entries')).toBe('listEntries');
    expect(camelCase('delete')).toBe('delete');
  });
});
