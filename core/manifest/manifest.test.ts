import { describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import type { Issue } from '../errors.ts';
import { isPlatformError } from '../errors.ts';
import { completeManifestExample } from './example.ts';
import { fileIssues, parseManifest } from './manifest.ts';
import type { Manifest, ManifestInput } from './manifest.ts';
import { MAX_MANIFEST_BYTES } from './read-manifest.ts';
import { manifestSchema } from './schema.ts';

const MINIMAL: ManifestInput = { name: 'hello', publisher: 'Alga', version: '1.0.0', runtime: 'wasm-js@1' };

const parse = (manifest: Record<string, unknown> = {}): Manifest =>
  parseManifest(JSON.stringify({ ...MINIMAL, ...manifest }));

function issuesOf(run: () => unknown): readonly Issue[] {
  try {
    run();
  } catch (err) {
    if (isPlatformError(err) && err.code === 'MANIFEST_INVALID') return err.issues;
    throw err;
  }
  throw new Error('nothing was refused');
}

const get = (path: string, more: object = {}): object => ({ method: 'GET', path, handler: 'h', ...more });
const endpoints = (...list: object[]): Record<string, unknown> => ({ api: { endpoints: list } });
const ui = (more: object): Record<string, unknown> => ({
  ui: { type: 'iframe', entry: 'ui/index.html', ...more },
});

describe('parseManifest', () => {
  it('takes the complete example, which has every field', () => {
    const manifest = parseManifest(JSON.stringify(completeManifestExample));
    expect(manifest.displayName).toBe('Time sheets');
    // The one is for editors, the other does nothing.
    const fields = Object.keys(manifestSchema.in.shape).filter(
      (field) => field !== '$schema' && field !== 'precompiled',
    );
    expect(Object.keys(completeManifestExample).sort()).toEqual(fields.sort());
  });

  it('fills in defaults', () => {
    expect(
      parse({ limits: { memoryMb: 64 }, ...endpoints(get('/a'), { ...get('/a'), method: 'PUT' }) }),
    ).toMatchObject({
      displayName: 'hello',
      capabilities: [],
      secrets: [],
      events: [],
      schedules: [],
      limits: { timeoutMs: 10_000, memoryMb: 64, responseBytes: 6 * 1024 * 1024 },
      instance: 'fresh',
      api: {
        endpoints: [
          { permission: 'extension:read', schedulable: false, retryable: false },
          { permission: 'extension:write', schedulable: false, retryable: false },
        ],
      },
    });
    expect(parse().limits).toEqual({ timeoutMs: 10_000, memoryMb: 128, responseBytes: 6 * 1024 * 1024 });
  });

  it('makes one form of capabilities, with and without "cap:"', () => {
    const { capabilities } = parse({
      capabilities: ['cap:log.emit', { name: 'cap:storage.kv' }, 'user.read'],
    });
    expect(capabilities).toEqual([
      { name: 'log.emit', scope: {}, optional: false },
      { name: 'storage.kv', scope: {}, optional: false },
      { name: 'user.read', scope: {}, optional: false },
    ]);
  });

  it.each(['1.0.0', '0.0.1', '10.20.30', '1.2.3-beta.1', '1.2.*'])('takes the version %s', (version) => {
    expect(parse({ version }).version).toBe(version);
  });

  it('can be given to authors as JSON Schema', () => {
    expect(z.toJSONSchema(manifestSchema, { io: 'input' })).toMatchObject({
      type: 'object',
      additionalProperties: false,
    });
  });

  it.each<[string, Record<string, unknown>, string, string]>([
    ['an unknown key', { colour: 'red' }, 'colour', 'unrecognized_keys'],
    [
      'an unknown key further in',
      endpoints(get('/a', { verb: 'x' })),
      'api.endpoints[0].verb',
      'unrecognized_keys',
    ],
    ['a missing field', { runtime: undefined }, 'runtime', 'invalid_value'],
    ['another runtime', { runtime: 'wasm-js@2' }, 'runtime', 'invalid_value'],
    ['a name in capitals', { name: 'Hello' }, 'name', 'invalid_format'],
    ['a name with a slash', { name: 'a/b' }, 'name', 'invalid_format'],
    ['a publisher without a letter', { publisher: '!!' }, 'publisher', 'custom'],
    ['a version with a "v"', { version: 'v1.0.0' }, 'version', 'custom'],
    ['a version of two numbers', { version: '1.0' }, 'version', 'custom'],
    ['a version with a leading zero', { version: '1.02.0' }, 'version', 'custom'],
    ['a version with build metadata', { version: '1.0.0+5' }, 'version', 'custom'],
    ['a wildcard for the minor version', { version: '1.*' }, 'version', 'custom'],
    ['an unknown capability', { capabilities: ['disk.format'] }, 'capabilities[0]', 'unknown_capability'],
    [
      'a capability named after a property',
      { capabilities: ['constructor'] },
      'capabilities[0]',
      'unknown_capability',
    ],
    [
      'an unknown capability in an object',
      { capabilities: [{ name: 'x' }] },
      'capabilities[0].name',
      'unknown_capability',
    ],
    [
      'a header that holds a credential',
      endpoints(get('/a', { headers: ['prefer', 'cookie'] })),
      'api.endpoints[0].headers[1]',
      'header_withheld',
    ],
    [
      'headers as a capability',
      { capabilities: [{ name: 'headers.read', scope: { names: ['prefer'] } }] },
      'capabilities[0].name',
      'unknown_capability',
    ],
    [
      'a shared instance as a capability',
      { capabilities: ['cap:instance.shared'] },
      'capabilities[0]',
      'unknown_capability',
    ],
    ['a capability that is no name', { capabilities: [3] }, 'capabilities[0]', 'invalid_union'],
    [
      'a scope of another capability',
      { capabilities: [{ name: 'storage.kv', scope: { namespaces: ['a'], hosts: ['a.com'] } }] },
      'capabilities[0].scope.hosts',
      'unrecognized_keys',
    ],
    [
      'a scope where there is none',
      { capabilities: [{ name: 'log.emit', scope: { names: ['a'] } }] },
      'capabilities[0].scope',
      'scope_invalid',
    ],
    [
      'a host with a scheme',
      { capabilities: [{ name: 'http.fetch', scope: { hosts: ['https://a.com'] } }] },
      'capabilities[0].scope.hosts[0]',
      'invalid_format',
    ],
    [
      'a scope that allows nothing',
      { capabilities: [{ name: 'http.fetch', scope: { hosts: [] } }] },
      'capabilities[0].scope.hosts',
      'too_small',
    ],
    [
      'a method in lower case',
      endpoints(get('/a', { method: 'get' })),
      'api.endpoints[0].method',
      'invalid_value',
    ],
    [
      'a method of its own',
      endpoints(get('/a', { method: 'HEAD' })),
      'api.endpoints[0].method',
      'invalid_value',
    ],
    ['a path without a slash', endpoints(get('a')), 'api.endpoints[0].path', 'invalid_format'],
    ['a path with a slash at its end', endpoints(get('/a/')), 'api.endpoints[0].path', 'invalid_format'],
    ['a wildcard path', endpoints(get('/a/*')), 'api.endpoints[0].path', 'invalid_format'],
    ['a path with ".."', endpoints(get('/a/../b')), 'api.endpoints[0].path', 'custom'],
    ['a param without a name', endpoints(get('/a/:')), 'api.endpoints[0].path', 'invalid_format'],
    [
      'a handler that is no name',
      endpoints(get('/a', { handler: '1 + 1' })),
      'api.endpoints[0].handler',
      'invalid_format',
    ],
    [
      'a permission of the platform',
      endpoints(get('/a', { permission: 'platform:operate' })),
      'api.endpoints[0].permission',
      'custom',
    ],
    [
      'a permission that looks like the platform’s',
      endpoints(get('/a', { permission: 'tenant:owner' })),
      'api.endpoints[0].permission',
      'custom',
    ],
    [
      'an endpoint’s time over the most',
      endpoints(get('/a', { timeoutMs: 60_001 })),
      'api.endpoints[0].timeoutMs',
      'too_big',
    ],
    ['a time over the most', { limits: { timeoutMs: 60_001 } }, 'limits.timeoutMs', 'too_big'],
    ['memory over the most', { limits: { memoryMb: 513 } }, 'limits.memoryMb', 'too_big'],
    ['memory that is no whole number', { limits: { memoryMb: 64.5 } }, 'limits.memoryMb', 'invalid_type'],
    ['a response over the most', { limits: { responseBytes: 2 ** 30 } }, 'limits.responseBytes', 'too_big'],
    ['another kind of UI', ui({ type: 'native' }), 'ui.type', 'invalid_value'],
    ['an entry outside ui/', ui({ entry: 'index.html' }), 'ui.entry', 'invalid_format'],
    ['an entry that climbs out', ui({ entry: 'ui/../entry.wasm' }), 'ui.entry', 'custom'],
    ['an unknown hook', ui({ hooks: { desktop: {} } }), 'ui.hooks.desktop', 'unrecognized_keys'],
    ['any source in the CSP', ui({ csp: { connect: ['*'] } }), 'ui.csp.connect[0]', 'invalid_format'],
    [
      'a CSP source that breaks out',
      ui({ csp: { img: ['https://a.com; script-src *'] } }),
      'ui.csp.img[0]',
      'invalid_format',
    ],
    [
      'a secret named like a prototype',
      { secrets: [{ name: '__proto__' }] },
      'secrets[0].name',
      'invalid_format',
    ],
    [
      'a cron of three fields',
      { schedules: [{ cron: '* * *', handler: 'h' }] },
      'schedules[0].cron',
      'invalid_format',
    ],
    [
      'an unknown zone',
      { schedules: [{ cron: '* * * * *', zone: 'Mars/X', handler: 'h' }] },
      'schedules[0].zone',
      'custom',
    ],
    ['another instance', { instance: 'pooled' }, 'instance', 'invalid_value'],
  ])('refuses %s', (_what, manifest, path, code) => {
    const issues = issuesOf(() => parse(manifest));
    expect(issues.map((issue) => ({ path: issue.path, code: issue.code }))).toEqual([{ path, code }]);
    expect(issues[0]?.message.length).toBeGreaterThan(5);
  });

  it('refuses parts that disagree with each other', () => {
    expect(issuesOf(() => parse({ health: '/up' }))).toMatchObject([
      { path: 'health', code: 'unknown_endpoint' },
    ]);
  });

  it('tells every fault at once, each with its path', () => {
    const issues = issuesOf(() => parse({ name: 3, version: '1', limits: { memoryMb: 1 }, extra: true }));
    expect(issues.map((issue) => issue.path)).toEqual(['name', 'version', 'limits.memoryMb', 'extra']);
  });

  it.each<[string, string | Uint8Array]>([
    ['text that is no JSON', '{'],
    ['bytes that are no UTF-8', new Uint8Array([0x22, 0xff, 0x22])],
    ['a manifest too long', JSON.stringify({ ...MINIMAL, description: 'x'.repeat(MAX_MANIFEST_BYTES) })],
  ])('refuses %s', (_what, source) => {
    expect(issuesOf(() => parseManifest(source))).toMatchObject([{ path: '', code: 'invalid_json' }]);
  });

  it.each(['null', '[]', '"text"', '3'])('refuses %s, which is no object', (source) => {
    expect(issuesOf(() => parseManifest(source))).toMatchObject([{ path: '', code: 'invalid_type' }]);
  });
});

describe('fileIssues', () => {
  it('takes a manifest whose files are there', () => {
    const manifest = parse({ ...ui({}), sbom: 'sbom.spdx.json' });
    expect(fileIssues(manifest, ['ui/index.html', 'sbom.spdx.json'])).toEqual([]);
  });

  it('names each file that is not there by where the manifest names it', () => {
    const manifest = parse({
      ...ui({
        hooks: { appMenu: { label: 'A', icon: 'ui/a.png' } },
        routes: [{ path: '/', iframePath: 'ui/b.html' }],
      }),
      icon: 'ui/icon.png',
      sbom: 'sbom.spdx.json',
    });
    const issues = fileIssues(manifest, ['UI/index.html']);
    expect(issues.map((issue) => issue.path)).toEqual([
      'icon',
      'sbom',
      'ui.entry',
      'ui.hooks.appMenu.icon',
      'ui.routes[0].iframePath',
    ]);
  });

  const FILES = ['ui/index.html', 'ui/b.html', 'ui/icon.png', 'ui/notes.md', 'sbom.spdx.json'];
  const whole = (assets: string[]): Manifest =>
    parse({
      ...ui({ routes: [{ path: '/', iframePath: 'ui/b.html' }] }),
      icon: 'ui/icon.png',
      sbom: 'sbom.spdx.json',
      assets,
    });

  it('takes assets that leave out what the manifest names nowhere', () => {
    expect(fileIssues(whole(['ui/*.{html,png}']), FILES)).toEqual([]);
  });

  it('refuses assets that leave out what browsers load, by where the manifest names it', () => {
    const issues = fileIssues(whole(['ui/b.html']), FILES);
    expect(issues).toMatchObject([
      { path: 'icon', code: 'file_not_served' },
      { path: 'ui.entry', code: 'file_not_served' },
    ]);
    expect(fileIssues(whole([]), FILES)).toHaveLength(3);
  });

  it('refuses a pattern that is none, though a manifest with it can be read', () => {
    const manifest = whole(['ui/**', 'ui/[a-z].js']);
    expect(fileIssues(manifest, FILES)).toMatchObject([{ path: 'assets[1]', code: 'pattern_invalid' }]);
  });
});
