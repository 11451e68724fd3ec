import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { verifyBundle } from './read-bundle.ts';
import { verifyBundleFile } from './verify-bundle-file.ts';
import { packTarZst } from './pack.ts';
import { makeHostile, TRICKS } from '../../test/fixtures/hostile/make.ts';
import { bundleFacts, newSigner } from '../../test/support/signing.ts';
import { componentOfHostWorld } from '../../test/support/tiny-components.ts';

const WORDS = expect.stringMatching(/\w/) as unknown;

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'alga-hostile-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe('a bundle on disk, without a platform', () => {
  it('is told everything that a publish would say of it', async () => {
    const manifest = { name: 'good', publisher: 'Good', version: '1.0.*', runtime: 'wasm-js@1' };
    const file = path.join(folder, 'good.tar.zst');
    await writeFile(
      file,
      await packTarZst([
        { path: 'manifest.json', bytes: Buffer.from(JSON.stringify(manifest)) },
        { path: 'entry.wasm', bytes: await componentOfHostWorld() },
      ]),
    );
    const { checks, bundle, fault } = await verifyBundleFile(file);
    expect(fault).toBeUndefined();
    expect(bundle?.manifest.version).toBe('1.0.*');
    expect(Object.fromEntries(checks.map(({ name, result }) => [name, result]))).toEqual({
      hash: 'passed',
      archive: 'passed',
      manifest: 'passed',
      files: 'passed',
      'ui-entry': 'skipped',
      capabilities: 'passed',
      features: 'passed',
      precompiled: 'passed',
      reachable: 'failed',
      secrets: 'passed',
      sbom: 'skipped',
      signature: 'skipped',
      component: 'passed',
      imports: 'failed',
      memory: 'passed',
      wasi: 'passed',
      rewind: 'passed',
    });
  });

  it('is told what its signatures would be worth', async () => {
    const manifest = { name: 'signed', publisher: 'Good', version: '1.0.*', runtime: 'wasm-js@1' };
    const bytes = await packTarZst([
      { path: 'manifest.json', bytes: Buffer.from(JSON.stringify(manifest)) },
      { path: 'entry.wasm', bytes: await componentOfHostWorld() },
    ]);
    const file = path.join(folder, 'signed.tar.zst');
    await writeFile(file, bytes);
    const signer = newSigner({ publishers: ['good'] });
    const trust = { policy: 'required', threshold: 1, keys: [signer.trusted] } as const;
    const facts = await bundleFacts(bytes);
    for (const [envelopes, result, detail] of [
      [[signer.sign(facts)], 'passed', signer.keyId],
      [[], 'failed', 'there is none that counts'],
      [[newSigner().sign(facts)], 'failed', 'by no key that is trusted'],
      [[signer.sign({ ...facts, manifestSha256: '0'.repeat(64) })], 'failed', 'another manifest.json'],
    ] as const) {
      const { checks, bundle, fault } = await verifyBundleFile(file, { signing: { trust, envelopes } });
      expect(checks.find(({ name }) => name === 'signature')).toMatchObject({
        ...{ result, required: true },
        detail: expect.stringContaining(detail) as unknown,
      });
      expect(fault?.code).toBe(result === 'failed' ? 'SIGNATURE_INVALID' : undefined);
      expect(bundle === undefined).toBe(result === 'failed');
    }
  });

  it('is told of faults of the whole file what was expected, found and is to be done', async () => {
    const file = path.join(folder, 'nothing.tar.zst');
    await writeFile(file, await packTarZst([{ path: 'ui/a.html', bytes: Buffer.from('a') }]));
    const { checks } = await verifyBundleFile(file, { expectedSha256: '0'.repeat(64) });
    const whole = checks.flatMap(({ issues = [] }) => issues.filter((issue) => issue.path === ''));
    expect(whole.map(({ code }) => code)).toEqual(['hash_mismatch', 'file_missing', 'component_missing']);
    for (const issue of whole) expect(issue).toMatchObject({ expected: WORDS, found: WORDS, fix: WORDS });
  });

  it('is told of faults of manifest, files and component at once', async () => {
    const file = path.join(folder, 'all-wrong.tar.zst');
    await writeFile(
      file,
      await packTarZst([
        {
          path: 'manifest.json',
          bytes: Buffer.from('{"name":"x","ui":{"type":"iframe","entry":"ui/a.html"}}'),
        },
        { path: 'entry.wasm', bytes: Buffer.from('no component') },
        { path: 'node_modules/x.js', bytes: Buffer.from('') },
      ]),
    );
    const { checks } = await verifyBundleFile(file, { expectedSha256: '0'.repeat(64) });
    const failed = checks.filter(({ result, required }) => required && result === 'failed');
    expect(failed.map(({ name }) => name)).toEqual(['hash', 'manifest', 'files', 'ui-entry', 'component']);
    const manifest = failed.find(({ name }) => name === 'manifest');
    expect(manifest?.issues?.map(({ path: at }) => at)).toEqual(['publisher', 'version', 'runtime']);
  });
});

describe('a hostile bundle', () => {
  it('has a name of its own', () => {
    const names = TRICKS.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
  });

  it.each(TRICKS.map((trick) => [trick.name, trick] as const))(
    '%s is refused as what it is',
    async (_name, trick) => {
      const file = await makeHostile(trick, folder);
      const { checks, bundle, fault } = trick.ofComponent
        ? await verifyBundleFile(file)
        : await verifyBundle(await readFile(file));
      await rm(file);
      expect(bundle).toBeUndefined();
      expect(fault?.code).toBe(trick.code);
      const failed = checks.filter(({ result, required }) => required && result === 'failed');
      const expected = trick.check ?? (trick.code === 'BUNDLE_REJECTED' ? 'files' : 'archive');
      expect(failed.map(({ name }) => name)).toEqual([expected]);
      expect(failed[0]?.issues?.map(({ code }) => code)).toContain(trick.issue);
      // What a row and a history keep of it.
      expect(JSON.stringify(checks).length).toBeLessThan(64 * 1024);
    },
  );
});
