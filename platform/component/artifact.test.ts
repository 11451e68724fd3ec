import { createHash, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { canonicalJson } from '../../core/canonical-json.ts';
import { packTarZst } from '../bundle/pack.ts';
import { createObjectKeys } from '../objects/keys.ts';
import type { DsseEnvelope } from '../../core/dsse-envelope.ts';
import { IN_TOTO_TYPE, keyIdOf, signEnvelope } from '../signatures/dsse.ts';
import { hashArchive, openArtifact, packArtifact } from './artifact.ts';
import {
  findArtifactSignature,
  signArtifact,
  statementDigest,
  verifyArtifactSignature,
} from './artifact-signature.ts';

const identity = { contentHash: `sha256:${'ab'.repeat(32)}`, target: 'jco-0' };
const artifact = {
  ...identity,
  imports: ['alga:extension/context'],
  glue: Buffer.from('export {}'),
  coreModules: { 'component.core.wasm': Uint8Array.of(1, 2, 3), 'component.core2.wasm': Uint8Array.of(4) },
};

const newKey = () => generateKeyPairSync('ed25519');

async function setup() {
  const keys = newKey();
  const archive = await packArtifact(artifact);
  const facts = { ...identity, sha256: archive.sha256 };
  return { ...keys, archive, facts, envelope: signArtifact(keys.privateKey, facts).envelope };
}

const invalid = { code: 'ARTIFACT_INVALID' };

describe('a precompiled artifact', () => {
  it('is known by the key that signed it', async () => {
    const { publicKey, archive, envelope } = await setup();
    const trusted = [newKey().publicKey, publicKey];
    expect(await openArtifact(trusted, identity, archive, envelope)).toEqual({
      keyId: keyIdOf(publicKey),
      artifact: { contentHash: artifact.contentHash, archive: archive.bytes, isLinked: false },
    });
    expect(await hashArchive(archive.bytes)).toEqual(archive);
  });

  it('has the same bytes every time', async () => {
    expect((await packArtifact(artifact)).sha256).toBe((await packArtifact(artifact)).sha256);
  });

  it('is refused when a byte of it changed', async () => {
    const { publicKey, archive, envelope } = await setup();
    const bytes = Uint8Array.from(archive.bytes);
    bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
    await expect(
      openArtifact([publicKey], identity, await hashArchive(bytes), envelope),
    ).rejects.toMatchObject(invalid);
  });

  it('is refused for another bundle, another target, or by a key that is not trusted', async () => {
    const { publicKey, archive, envelope } = await setup();
    const other = { ...identity, contentHash: `sha256:${'cd'.repeat(32)}` };
    await expect(openArtifact([publicKey], other, archive, envelope)).rejects.toMatchObject(invalid);
    const target = { ...identity, target: 'jco-1' };
    await expect(openArtifact([publicKey], target, archive, envelope)).rejects.toMatchObject(invalid);
    const stranger = newKey().publicKey;
    await expect(openArtifact([stranger], identity, archive, envelope)).rejects.toMatchObject(invalid);
    await expect(openArtifact([], identity, archive, envelope)).rejects.toMatchObject(invalid);
  });

  it('is refused when the signed archive belongs to another bundle', async () => {
    const { publicKey, privateKey, archive, facts } = await setup();
    const other = { ...identity, contentHash: `sha256:${'cd'.repeat(32)}` };
    const { envelope } = signArtifact(privateKey, { ...facts, ...other });
    await expect(openArtifact([publicKey], other, archive, envelope)).rejects.toMatchObject(invalid);
  });

  it('is refused when what was signed does not begin with what it says of itself', async () => {
    const { publicKey, privateKey } = await setup();
    for (const bytes of [
      Buffer.from('no archive'),
      await packTarZst([{ path: 'core/a.wasm', bytes: Buffer.from('a') }]),
      await packTarZst([{ path: 'artifact.json', bytes: Buffer.from('{') }]),
      await packTarZst([{ path: 'artifact.json', bytes: Buffer.from('{"of":"a later release"}') }]),
    ]) {
      const archive = await hashArchive(bytes);
      const { envelope } = signArtifact(privateKey, { ...identity, sha256: archive.sha256 });
      await expect(openArtifact([publicKey], identity, archive, envelope)).rejects.toMatchObject(invalid);
    }
  });

  it('is refused when our key signed a statement about something else', async () => {
    const { publicKey, privateKey } = await setup();
    const statement = Buffer.from(canonicalJson({ _type: 'https://in-toto.io/Statement/v1', subject: [] }));
    const envelope = JSON.stringify(signEnvelope(privateKey, 'key', IN_TOTO_TYPE, statement));
    expect(() => verifyArtifactSignature([publicKey], envelope, identity)).toThrow(
      expect.objectContaining(invalid),
    );
  });

  it('is refused without a signature', async () => {
    const { publicKey, archive } = await setup();
    await expect(openArtifact([publicKey], identity, archive, 'null')).rejects.toMatchObject(invalid);
  });
});

describe('counter-signatures in the object store', () => {
  const layout = createObjectKeys('sha256/');

  async function stored() {
    const { facts, ...pair } = await setup();
    const objects = new Map<string, Uint8Array>();
    const sign = (key: KeyObject, changed: Partial<typeof facts> = {}): void => {
      const { keyId, envelope } = signArtifact(key, { ...facts, ...changed });
      const place = layout.signature(facts.contentHash, statementDigest(facts, keyId));
      objects.set(place, Buffer.from(envelope));
    };
    const find = (...trusted: KeyObject[]) =>
      findArtifactSignature((key) => Promise.resolve(objects.get(key)), layout, trusted, facts);
    return { ...pair, facts, objects, sign, find };
  }

  it('are named by the sha256 of the statement inside', async () => {
    const { privateKey, objects, sign } = await stored();
    sign(privateKey);
    const [[place, bytes] = ['', new Uint8Array()]] = objects;
    const { payload } = JSON.parse(Buffer.from(bytes).toString()) as DsseEnvelope;
    const digest = createHash('sha256').update(Buffer.from(payload, 'base64')).digest('hex');
    expect(place).toBe(`sha256/${'ab'.repeat(32)}/signatures/${digest}.dsse.json`);
  });

  it('stand beside each other, one for each key, and the first key that is trusted wins', async () => {
    const first = newKey();
    const second = newKey();
    const { objects, sign, find } = await stored();
    sign(first.privateKey);
    sign(second.privateKey);
    expect(objects.size).toBe(2);
    expect((await find(second.publicKey, first.publicKey))?.keyId).toBe(keyIdOf(second.publicKey));
    expect((await find(newKey().publicKey, first.publicKey))?.keyId).toBe(keyIdOf(first.publicKey));
    expect(await find(newKey().publicKey)).toBeUndefined();
  });

  it('are found where layout revision 1 has the only one', async () => {
    const { facts, publicKey, envelope, objects, find } = await stored();
    objects.set(layout.unnamedSignature(facts.contentHash, facts.target), Buffer.from(envelope));
    expect(await find(newKey().publicKey, publicKey)).toEqual({ keyId: keyIdOf(publicKey), envelope });
  });

  it('count for nothing when damaged, by a stranger, or of other bytes', async () => {
    const good = newKey();
    const { facts, privateKey, publicKey, objects, sign, find } = await stored();
    const place = layout.signature(facts.contentHash, statementDigest(facts, keyIdOf(publicKey)));
    sign(good.privateKey);
    for (const wrong of [
      'damaged',
      signArtifact(newKey().privateKey, facts).envelope,
      signArtifact(privateKey, { ...facts, sha256: 'f'.repeat(64) }).envelope,
    ]) {
      objects.set(place, Buffer.from(wrong));
      expect(await find(publicKey)).toBeUndefined();
      expect((await find(publicKey, good.publicKey))?.keyId).toBe(keyIdOf(good.publicKey));
    }
  });
});
