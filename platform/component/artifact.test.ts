import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { canonicalJson } from '../../core/canonical-json.ts';
import { IN_TOTO_TYPE, signEnvelope } from '../signatures/dsse.ts';
import { openArtifact, packArtifact, signArtifact, verifyArtifactSignature } from './artifact.ts';

const identity = { contentHash: `sha256:${'ab'.repeat(32)}`, target: 'jco-0' };
const artifact = {
  ...identity,
  imports: ['alga:extension/context'],
  glue: Buffer.from('export {}'),
  coreModules: { 'component.core.wasm': Uint8Array.of(1, 2, 3), 'component.core2.wasm': Uint8Array.of(4) },
};

async function setup() {
  const keys = generateKeyPairSync('ed25519');
  const { bytes, sha256 } = await packArtifact(artifact);
  return { ...keys, bytes, sha256, envelope: signArtifact(keys.privateKey, { ...identity, sha256 }) };
}

const invalid = { code: 'ARTIFACT_INVALID' };

describe('a precompiled artifact', () => {
  it('comes out as it went in', async () => {
    const { publicKey, bytes, envelope } = await setup();
    const opened = await openArtifact(publicKey, identity, bytes, envelope);
    expect(opened).toEqual({
      contentHash: artifact.contentHash,
      imports: artifact.imports,
      glue: expect.anything(),
      coreModules: expect.anything(),
    });
    expect(Buffer.from(opened.glue).toString()).toBe('export {}');
    expect(Object.entries(opened.coreModules).map(([name, bytes]) => [name, ...bytes])).toEqual([
      ['component.core.wasm', 1, 2, 3],
      ['component.core2.wasm', 4],
    ]);
  });

  it('has the same bytes every time', async () => {
    expect((await packArtifact(artifact)).sha256).toBe((await packArtifact(artifact)).sha256);
  });

  it('is refused when a byte of it changed', async () => {
    const { publicKey, bytes, envelope } = await setup();
    const changed = Uint8Array.from(bytes);
    changed[changed.length - 1] = (changed.at(-1) ?? 0) ^ 1;
    await expect(openArtifact(publicKey, identity, changed, envelope)).rejects.toMatchObject(invalid);
  });

  it('is refused for another bundle, another target, or by another key', async () => {
    const { publicKey, bytes, envelope } = await setup();
    const other = { ...identity, contentHash: `sha256:${'cd'.repeat(32)}` };
    await expect(openArtifact(publicKey, other, bytes, envelope)).rejects.toMatchObject(invalid);
    const target = { ...identity, target: 'jco-1' };
    await expect(openArtifact(publicKey, target, bytes, envelope)).rejects.toMatchObject(invalid);
    const stranger = generateKeyPairSync('ed25519').publicKey;
    await expect(openArtifact(stranger, identity, bytes, envelope)).rejects.toMatchObject(invalid);
  });

  it('is refused when the signed archive belongs to another bundle', async () => {
    const { publicKey, privateKey, bytes, sha256 } = await setup();
    const other = { ...identity, contentHash: `sha256:${'cd'.repeat(32)}` };
    const envelope = signArtifact(privateKey, { ...other, sha256 });
    await expect(openArtifact(publicKey, other, bytes, envelope)).rejects.toMatchObject(invalid);
  });

  it('is refused when our key signed a statement about something else', async () => {
    const { publicKey, privateKey } = await setup();
    const statement = Buffer.from(canonicalJson({ _type: 'https://in-toto.io/Statement/v1', subject: [] }));
    const envelope = JSON.stringify(signEnvelope(privateKey, 'key', IN_TOTO_TYPE, statement));
    expect(() => verifyArtifactSignature(publicKey, envelope, identity)).toThrow(
      expect.objectContaining(invalid),
    );
  });

  it('is refused without a signature', async () => {
    const { publicKey, bytes } = await setup();
    await expect(openArtifact(publicKey, identity, bytes, 'null')).rejects.toMatchObject(invalid);
  });
});
