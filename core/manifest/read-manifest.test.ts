import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { completeManifestExample } from './example.ts';
import { manifestInvalid } from './manifest.ts';
import { readManifest } from './read-manifest.ts';

const MINIMAL = { name: 'hello', publisher: 'Alga', version: '1.0.0', runtime: 'wasm-js@1' };
const read = (manifest: object) => readManifest(JSON.stringify(manifest));
const pathsOf = (manifest: object): string[] => read(manifest).issues.map(({ path }) => path);

describe('a manifest with many faults', () => {
  it('has all of them told at once, also those that one schema alone would hide behind another', () => {
    const endpoint = { method: 'GET', path: '/a', handler: 'h' };
    expect(
      pathsOf({
        ...MINIMAL,
        version: '1',
        colour: 'red',
        capabilities: ['disk.format', 'storage.kv', { name: 'storage.kv', scope: { hosts: [] }, more: 1 }],
        api: { endpoints: [{ ...endpoint, verb: 1 }, { ...endpoint, method: 'FETCH' }, endpoint, endpoint] },
        secrets: [{ name: '1' }, { name: 'A' }, { name: 'A' }],
        health: '/nowhere',
      }).toSorted(),
    ).toEqual([
      'api.endpoints[0].verb',
      'api.endpoints[1].method',
      'api.endpoints[2]',
      'api.endpoints[3]',
      'capabilities[0]',
      'capabilities[2].more',
      'capabilities[2].name',
      'capabilities[2].scope.hosts',
      'colour',
      'secrets[0].name',
      'secrets[2].name',
      'version',
    ]);
  });

  it('has nothing called missing that is there with a fault of its own', () => {
    expect(
      pathsOf({
        ...MINIMAL,
        capabilities: [{ name: 'secrets.get', scope: { names: ['TOKEN'] } }],
        secrets: [{ name: 'TOKEN', kind: 'x', required: 'yes' }],
        settings: { type: 'object', properties: { a: { type: 'text' } }, required: ['a'] },
        health: '/ok',
        api: { endpoints: [{ method: 'GET', path: '/ok', handler: '' }] },
      }).toSorted(),
    ).toEqual([
      'api.endpoints[0].handler',
      'secrets[0].kind',
      'secrets[0].required',
      'settings.properties.a.type',
    ]);
  });

  it.each<[object, string, string, string, string]>([
    [{ runtime: 'wasm-js@2' }, 'runtime', '"wasm-js@1"', '"wasm-js@2"', '"runtime": "wasm-js@1"'],
    [{ runtime: undefined }, 'runtime', '"wasm-js@1"', 'nothing', '"runtime": "wasm-js@1"'],
    [
      { capabilites: [] },
      'capabilites',
      'is not a known key; check its spelling or remove it',
      '[]',
      'write "capabilities" instead of "capabilites", or remove it',
    ],
    [{ limits: { memoryMb: 1 } }, 'limits.memoryMb', 'be at least 16', '1', '"memoryMb": 128'],
    [
      { api: { endpoints: [{ method: 'get', path: '/', handler: 'h' }] } },
      'api.endpoints[0].method',
      '"GET", "POST", "PUT", "PATCH", "DELETE"',
      '"get"',
      '"method": "GET"',
    ],
    [
      { capabilities: [{ name: 'secrets.get', scope: { names: ['A'] } }] },
      'capabilities[0].scope.names[0]',
      'the name of a secret in "secrets"',
      '"A"',
      '"secrets": [{ "name": "A" }]',
    ],
    [
      { health: '/ok' },
      'health',
      'the path of a declared GET endpoint',
      '"/ok"',
      '{ "method": "GET", "path": "/ok", "handler": "health" }',
    ],
  ])(
    '%j says what was expected, what stands there and what to write',
    (changes, path, expected, found, fix) => {
      expect(read({ ...MINIMAL, ...changes }).issues).toMatchObject([{ path, expected, found, fix }]);
    },
  );

  it('has the first told and the rest counted, however many they are', () => {
    const unknown = Object.fromEntries(Array.from({ length: 15_000 }, (_none, at) => [`key${at}`, at]));
    const error = manifestInvalid(read({ ...MINIMAL, ...unknown }).issues);
    expect(error.issues).toHaveLength(50);
    expect(error.message).toMatch(/and \d+ more faults$/);
    expect(error.message.length).toBeLessThan(8_000);
  });
});

const LACKS = ['unknown_property', 'unknown_secret', 'unknown_endpoint', 'too_small'];
const places = fc.array(fc.nat(), { minLength: 1, maxLength: 8 });
const changes = fc.array(fc.tuple(places, fc.jsonValue({ maxDepth: 3 }), fc.boolean()), {
  minLength: 1,
  maxLength: 6,
});

/** Puts a value somewhere in the whole, at a member that is there or one that is new. */
function spoil(whole: unknown, [at, ...deeper]: number[], value: unknown, isNew: boolean): void {
  if (typeof whole !== 'object' || whole === null || at === undefined) return;
  const keys = Object.keys(whole);
  const key = keys[at % Math.max(keys.length, 1)];
  const inner: unknown = key === undefined ? undefined : Reflect.get(whole, key);
  if (deeper.length > 0 && typeof inner === 'object' && inner !== null) spoil(inner, deeper, value, isNew);
  else if (isNew && !Array.isArray(whole)) Reflect.set(whole, `key${at}`, value);
  else if (key !== undefined) Reflect.set(whole, key, value);
}

describe('whatever is made of a manifest', () => {
  it('is taken, or refused with a place, what may stand there, what does and what to write', () => {
    fc.assert(
      fc.property(changes, (list) => {
        const manifest = structuredClone(completeManifestExample) as object;
        for (const [at, value, isNew] of list) spoil(manifest, at, value, isNew);
        const { issues, manifest: rest } = read(manifest);
        for (const issue of issues) {
          expect([issue.path, issue.expected, issue.found, issue.fix]).not.toContain(undefined);
          expect(issue.fix).not.toBe('');
        }
        // What is left has no fault, so nothing faulty was taken; it can only lack what a fault of its own took away.
        const left = readManifest(JSON.stringify(rest ?? MINIMAL)).issues.map(({ code }) => code);
        expect(left.filter((code) => issues.length === 0 || !LACKS.includes(code))).toEqual([]);
        if (issues.length === 0) expect(rest).toBeDefined();
      }),
      { numRuns: 300 },
    );
  });

  it('from any bytes at all is read to an end', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.uint8Array({ maxLength: 300 }),
          fc.json().map((text) => Buffer.from(text)),
        ),
        (bytes) => {
          expect(readManifest(bytes).issues.length).toBeGreaterThan(0);
        },
      ),
      { numRuns: 300 },
    );
  });
});
