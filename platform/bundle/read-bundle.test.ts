import { createHash, randomBytes } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { PlatformError } from '../../core/errors.ts';
import type { ManifestInput } from '../../core/manifest/manifest.ts';
import { MAX_MANIFEST_BYTES } from '../../core/manifest/read-manifest.ts';
import { DEFAULT_BUNDLE_LIMITS } from '../../core/tar/limits.ts';
import type { ArchiveLimits } from '../../core/tar/limits.ts';
import type { Check } from '../../core/progress.ts';
import type { ByteSource } from '../objects/object-store.ts';
import { CONTENT_CHECKS } from './bundle-checks.ts';
import { packTarZst } from './pack.ts';
import { readBundle, verifyBundle } from './read-bundle.ts';

const MANIFEST: ManifestInput = {
  name: 'hello',
  publisher: 'Alga',
  version: '1.0.0',
  runtime: 'wasm-js@1',
  api: { endpoints: [{ method: 'GET', path: '/', handler: 'main' }] },
};
const WITH_UI = { ...MANIFEST, ui: { type: 'iframe', entry: 'ui/index.html' } };
const PIECE_BYTES = 4096;
const SECOND_BYTES = 1000 * PIECE_BYTES;
const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

/** A bundle of a manifest and a component; `undefined` leaves a file out. */
function bundleOf(changes: Record<string, string | undefined> = {}): Promise<Uint8Array> {
  const files: Record<string, string | undefined> = {
    'manifest.json': JSON.stringify(MANIFEST),
    'entry.wasm': 'component',
    ...changes,
  };
  const entries = Object.entries(files).flatMap(([path, text]) =>
    text === undefined ? [] : [{ path, bytes: bytesOf(text) }],
  );
  return packTarZst(entries);
}

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** The required checks that failed, and as what the bundle is refused. */
async function outcomeOf(
  bytes: Uint8Array,
  expectedSha256?: string,
): Promise<{ failed: string[]; code?: string }> {
  const { checks, bundle, fault } = await verifyBundle(bytes, { expectedSha256 });
  expect(checks.map((check) => check.name)).toEqual(CONTENT_CHECKS);
  expect(bundle === undefined).toBe(fault !== undefined);
  for (const check of checks) expect(check.detail === undefined).toBe(check.result === 'passed');
  const failed = checks.filter(({ result, required }) => required && result === 'failed');
  return { failed: failed.map(({ name }) => name), ...(fault && { code: fault.code }) };
}

async function adviceOn(changes: Record<string, string | undefined>): Promise<Check[]> {
  const { checks, fault } = await verifyBundle(await bundleOf(changes));
  expect(fault).toBeUndefined();
  return checks.filter(({ required, result }) => !required && result === 'failed');
}

describe('verifyBundle', () => {
  it('answers the bundle when every check passes', async () => {
    const bytes = await bundleOf({ 'manifest.json': JSON.stringify(WITH_UI), 'ui/index.html': '<p>' });
    const { bundle, checks } = await verifyBundle(bytes, { expectedSha256: sha256(bytes) });
    expect(checks.filter(({ result }) => result !== 'passed').map(({ name }) => name)).toEqual(['sbom']);
    expect(bundle).toMatchObject({
      contentHash: `sha256:${sha256(bytes)}`,
      size: bytes.length,
      manifest: { name: 'hello', limits: { memoryMb: 128 } },
      files: [
        { path: 'entry.wasm', size: 9 },
        { path: 'manifest.json', size: JSON.stringify(WITH_UI).length },
        { path: 'ui/index.html', size: 3 },
      ],
    });
    expect(Buffer.from(bundle?.manifestBytes ?? []).toString()).toBe(JSON.stringify(WITH_UI));
  });

  it.each<[string, Record<string, string | undefined>]>([
    ['a component at dist/main.wasm', { 'entry.wasm': undefined, 'dist/main.wasm': 'component' }],
    [
      'everything a bundle may hold',
      {
        'sbom.spdx.json': '{}',
        'metadata.json': '{}',
        'wit/a.wit': '',
        'entry.js.map': '',
        'dist/main.js.map': '',
      },
    ],
  ])('takes %s', async (_what, changes) => {
    expect(await outcomeOf(await bundleOf(changes))).toEqual({ failed: [] });
  });

  it.each<[string, Record<string, string | undefined>, string[], string]>([
    ['no manifest', { 'manifest.json': undefined }, ['manifest'], 'MANIFEST_INVALID'],
    ['a wrong manifest', { 'manifest.json': '{}' }, ['manifest'], 'MANIFEST_INVALID'],
    [
      'a huge manifest',
      { 'manifest.json': ' '.repeat(MAX_MANIFEST_BYTES + 1) },
      ['manifest'],
      'MANIFEST_INVALID',
    ],
    ['no component', { 'entry.wasm': undefined }, ['files'], 'BUNDLE_REJECTED'],
    ['two components', { 'dist/main.wasm': 'x' }, ['files'], 'BUNDLE_REJECTED'],
    ['precompiled code', { 'precompiled/a.tar.zst': 'x' }, ['files'], 'BUNDLE_REJECTED'],
    ['a file with no place', { 'node_modules/a.js': 'x' }, ['files'], 'BUNDLE_REJECTED'],
    [
      'a UI entry that is not there',
      { 'manifest.json': JSON.stringify(WITH_UI) },
      ['ui-entry'],
      'MANIFEST_INVALID',
    ],
    [
      'neither manifest nor component',
      { 'manifest.json': undefined, 'entry.wasm': undefined },
      ['manifest', 'files'],
      'MANIFEST_INVALID',
    ],
  ])('refuses %s', async (_what, changes, failed, code) => {
    expect(await outcomeOf(await bundleOf(changes))).toEqual({ failed, code });
  });

  it('refuses bytes that are not those announced', async () => {
    expect(await outcomeOf(await bundleOf(), '0'.repeat(64))).toEqual({
      failed: ['hash'],
      code: 'BUNDLE_CORRUPT',
    });
  });

  it('refuses a damaged archive and skips what it could not see', async () => {
    const bytes = await bundleOf();
    expect(await outcomeOf(bytes.subarray(0, -1), sha256(bytes))).toEqual({
      failed: ['archive'],
      code: 'BUNDLE_CORRUPT',
    });
  });

  it.each<[string, string, Partial<ArchiveLimits>, object]>([
    ['a second component', 'dist/main.wasm', {}, { code: 'BUNDLE_REJECTED' }],
    [
      'a component over the limit',
      'manifest.json',
      { componentBytes: SECOND_BYTES - 1 },
      { code: 'ARCHIVE_LIMIT_EXCEEDED', details: { limit: 'componentBytes', value: SECOND_BYTES - 1 } },
    ],
  ])('refuses %s without reading it', async (_what, first, changed, fault) => {
    const bytes = await packTarZst([
      { path: first, bytes: bytesOf(JSON.stringify(MANIFEST)) },
      { path: 'entry.wasm', bytes: randomBytes(SECOND_BYTES) },
    ]);
    const limits = { ...DEFAULT_BUNDLE_LIMITS, ...changed };
    for (const read of [
      (source: ByteSource) => verifyBundle(source, { limits }),
      (source: ByteSource) => readBundle(source, limits).catch((err: unknown) => ({ fault: err })),
    ]) {
      let pulled = 0;
      async function* counted(): AsyncGenerator<Uint8Array> {
        for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
          pulled += 1;
          yield await Promise.resolve(bytes.subarray(at, at + PIECE_BYTES));
        }
      }
      expect(await read(counted())).toMatchObject({ fault });
      // The decoder asks for some pieces ahead; the component has a thousand.
      expect(pulled).toBeLessThan(100);
    }
  });

  it('throws what is no fault of the bundle', async () => {
    const away = new PlatformError('OBJECT_STORE_UNAVAILABLE', 'away');
    async function* failing(): AsyncGenerator<Uint8Array> {
      yield (await bundleOf()).subarray(0, 50);
      throw away;
    }
    await expect(verifyBundle(failing())).rejects.toBe(away);
  });
});

describe('advice on a bundle', () => {
  it('is none for one that is as it should be', async () => {
    const sbom = { spdxVersion: 'SPDX-2.3', packages: [{ name: 'x' }] };
    expect(await adviceOn({ 'sbom.spdx.json': JSON.stringify(sbom) })).toEqual([]);
  });

  it.each<[string, Record<string, string | undefined>, object]>([
    [
      'a component that nothing calls',
      { 'manifest.json': JSON.stringify({ ...MANIFEST, api: undefined }) },
      { name: 'reachable', issues: [{ path: 'api.endpoints' }] },
    ],
    [
      'precompiled code, which is ignored',
      {
        'manifest.json': JSON.stringify({ ...MANIFEST, precompiled: { x: 'artifacts/x.cwasm' } }),
        'artifacts/x.cwasm': 'x',
      },
      { name: 'precompiled', issues: [{ path: 'precompiled' }] },
    ],
    [
      'a list of software that is none',
      { 'sbom.spdx.json': '{"spdxVersion":"SPDX-2.3"}' },
      { name: 'sbom', issues: [{ path: 'sbom.spdx.json', message: 'names no "packages"' }] },
    ],
  ])('tells of %s', async (_what, changes, told) => {
    expect(await adviceOn(changes)).toMatchObject([{ ...told, result: 'failed', required: false }]);
  });

  const TOKEN = `ghp_${'a1B2'.repeat(9)}`;
  const KEY = ['-----BEGIN PRIVATE', `KEY-----\n${'Ab1/'.repeat(16)}`].join(' ');
  it.each([
    ['in a script', 'ui/app.js', `${' '.repeat(200_000)}const token = "${TOKEN}";`, 'a GitHub token'],
    ['in the component', 'entry.wasm', `\0asm\0${TOKEN}`, 'a GitHub token'],
    ['as a key within JSON', 'ui/a.json', JSON.stringify({ key: KEY }), 'a private key'],
  ])('names a credential %s, and never says what it is', async (_what, path, text, found) => {
    const [advice] = await adviceOn({ [path]: text });
    expect(advice).toMatchObject({ name: 'secrets', issues: [{ path, code: 'secret', found }] });
    expect(JSON.stringify(advice)).not.toMatch(/a1B2|Ab1/);
  });

  it('is none on what only looks a little like a credential, or is no text', async () => {
    const files = { 'ui/a.js': 'ghp_short AKIA123 npm_install', 'ui/font.woff': `wOFF\0${TOKEN}` };
    expect(await adviceOn(files)).toEqual([]);
  });
});

describe('readBundle', () => {
  it('answers the bundle with its component', async () => {
    const { manifest, component } = await readBundle(await bundleOf());
    expect([manifest.name, Buffer.from(component).toString()]).toEqual(['hello', 'component']);
  });

  it('throws the fault of the first check that failed', async () => {
    await expect(readBundle(await bundleOf({ 'entry.wasm': undefined }))).rejects.toMatchObject({
      code: 'BUNDLE_REJECTED',
    });
    const limits = { ...DEFAULT_BUNDLE_LIMITS, entries: 1 };
    await expect(readBundle(await bundleOf(), limits)).rejects.toMatchObject({
      code: 'ARCHIVE_LIMIT_EXCEEDED',
    });
  });
});
