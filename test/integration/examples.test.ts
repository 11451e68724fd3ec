import { describe, expect, it } from '@jest/globals';
import { fileIssues, parseManifest } from '../../core/manifest/manifest.ts';
import { inspectInChild, precompileComponent } from '../../platform/component/precompile.ts';
import { createEngine } from '../../runner/engine/create-engine.ts';
import {
  componentize,
  componentParts,
  GUEST_ENGINES,
  type ComponentParts,
} from '../../scripts/componentize.ts';
import { buildComponent, type ExampleName } from '../support/components.ts';
import { fakeHost } from '../support/fake-host.ts';

async function published(name: ExampleName, options: Parameters<typeof buildComponent>[1] = {}) {
  const { component, files } = await buildComponent(name, options);
  const text = files.find(({ path }) => path === 'manifest.json')?.bytes ?? new Uint8Array();
  const manifest = parseManifest(Buffer.from(text).toString());
  const paths = files.map(({ path }) => path);
  expect(fileIssues(manifest, paths)).toEqual([]);
  return {
    paths,
    declared: manifest.capabilities.map((capability) => capability.name).sort(),
    inspection: await inspectInChild(component, { timeoutMs: 60_000 }),
  };
}

describe.each(GUEST_ENGINES)('the example extension hello, built with %s,', (engine) => {
  it('is a bundle that declares exactly what its component imports', async () => {
    const { paths, declared, inspection } = await published('hello', { engine });
    expect(paths).toEqual([
      'entry.wasm',
      'main.js.map',
      'manifest.json',
      'metadata.json',
      'ui/index.html',
      'ui/main.js',
      'ui/style.css',
    ]);
    expect(inspection.capabilities.toSorted()).toEqual(declared);
  });
});

describe('the build for StarlingMonkey', () => {
  const SOURCE = `import { logInfo } from 'alga:extension/logging';
export function handler({ http: { headers, body } }) {
  if (headers.length > 0) logInfo('headers');
  return { status: 200, headers, body };
}
`;

  async function fuelOfCall(parts: ComponentParts): Promise<number> {
    const limits = { timeoutMs: 60_000, memoryMb: 64 };
    const artifact = await precompileComponent(await componentize(parts), limits);
    const engine = createEngine();
    await engine.load({ contentHash: 'echo', ...artifact });
    const request = {
      context: { tenantId: 't', extensionId: 'e' },
      http: { method: 'POST', url: '/echo', headers: [], body: Buffer.from('body') },
    };
    const outcome = await engine.execute('echo', request, fakeHost(), limits);
    expect(outcome).toMatchObject({ ok: true, response: { status: 200 } });
    return outcome.fuel;
  }

  it('spares calls what the language sets up at first use', async () => {
    const parts = await componentParts(SOURCE, 'starlingmonkey', ['http', 'fetch-event']);
    const cold = { ...parts, modules: { ...parts.modules, 'warm-up.js': '' } };
    expect(await fuelOfCall(parts)).toBeLessThan(0.9 * (await fuelOfCall(cold)));
  }, 180_000);
});

describe('the hostile extension', () => {
  it('imports storage, which its manifest does not declare', async () => {
    const { declared, inspection } = await published('hostile');
    expect(declared).not.toContain('storage.kv');
    expect(inspection.capabilities).toContain('storage.kv');
  });

  it('built with every feature, is let through with advice about what gives no access', async () => {
    const { inspection } = await published('hostile', { disableFeatures: [] });
    const advised = inspection.findings.map((finding) => finding.import.replace(/@.*/, ''));
    expect(advised).toEqual(
      expect.arrayContaining(['wasi:http/types', 'wasi:http/outgoing-handler', 'wasi:filesystem/types']),
    );
  });
});
