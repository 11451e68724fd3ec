import { describe, expect, it } from '@jest/globals';
import { zstdCompressSync } from 'node:zlib';
import { packArtifact } from '../../platform/component/artifact.ts';
import { expandArtifact } from './expand-artifact.ts';

const artifact = {
  contentHash: `sha256:${'ab'.repeat(32)}`,
  target: 'jco-0',
  imports: ['alga:extension/context'],
  glue: Buffer.from('export {}'),
  // The second is more than the archive is expanded into at a time.
  coreModules: { 'a.wasm': Uint8Array.of(1, 2, 3), 'b.wasm': new Uint8Array(1_500_000).fill(4) },
};

describe('the archive of an artifact', () => {
  it('comes out as it went in', async () => {
    const { bytes } = await packArtifact(artifact);
    const { artifact: expanded, expandedBytes } = await expandArtifact(artifact.contentHash, bytes);
    const { coreModules, glue, ...rest } = expanded;
    expect(rest).toEqual({ contentHash: artifact.contentHash, imports: artifact.imports });
    expect(Buffer.from(glue ?? []).toString()).toBe('export {}');
    expect(Object.keys(coreModules)).toEqual(['a.wasm', 'b.wasm']);
    for (const [name, module] of Object.entries(artifact.coreModules)) {
      expect(Buffer.compare(coreModules[name] ?? Buffer.alloc(0), module)).toBe(0);
    }
    expect(expandedBytes).toBeGreaterThan(1_500_003);
    expect(expandedBytes).toBeLessThan(1_510_000);
  });

  it('is refused when it is cut off, or expands to no tar', async () => {
    const { bytes } = await packArtifact(artifact);
    const noTar = zstdCompressSync(Buffer.alloc(2_000, 'x'));
    for (const broken of [bytes.subarray(0, -20), noTar, Buffer.from('no archive')]) {
      await expect(expandArtifact(artifact.contentHash, broken)).rejects.toThrow();
    }
  });
});
