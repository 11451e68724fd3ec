import { describe, expect, it } from '@jest/globals';
import { checkManifestAgainstFiles, parseManifest } from '../../core/manifest/manifest.ts';
import { inspectInChild } from '../../platform/component/precompile.ts';
import { GUEST_ENGINES } from '../../scripts/componentize.ts';
import { buildComponent, type ExampleName } from '../support/components.ts';

async function published(name: ExampleName, options: Parameters<typeof buildComponent>[1] = {}) {
  const { component, files } = await buildComponent(name, options);
  const text = files.find(({ path }) => path === 'manifest.json')?.bytes ?? new Uint8Array();
  const manifest = parseManifest(Buffer.from(text).toString());
  checkManifestAgainstFiles(
    manifest,
    files.map(({ path }) => path),
  );
  return {
    paths: files.map(({ path }) => path),
    declared: manifest.capabilities.map((capability) => capability.name).sort(),
    inspection: await inspectInChild(component, { timeoutMs: 60_000 }),
  };
}

describe.each(GUEST_ENGINES)('the example extension hello, built with %s,', (engine) => {
  it('is a bundle that declares exactly what its component imports', async () => {
    const { paths, declared, inspection } = await published('hello', { engine });
    expect(paths).toEqual([
      'entry.wasm',
      'manifest.json',
      'metadata.json',
      'ui/index.html',
      'ui/main.js',
      'ui/style.css',
    ]);
    expect(inspection.capabilities.toSorted()).toEqual(declared);
  }, 60_000);
});

describe('the hostile extension', () => {
  it('imports storage, which its manifest does not declare', async () => {
    const { declared, inspection } = await published('hostile');
    expect(declared).not.toContain('storage.kv');
    expect(inspection.capabilities).toContain('storage.kv');
  }, 60_000);

  it('built with every feature, is let through with advice about what gives no access', async () => {
    const { inspection } = await published('hostile', { disableFeatures: [] });
    const advised = inspection.findings.map((finding) => finding.import.replace(/@.*/, ''));
    expect(advised).toEqual(
      expect.arrayContaining(['wasi:http/types', 'wasi:http/outgoing-handler', 'wasi:filesystem/types']),
    );
  }, 60_000);
});
