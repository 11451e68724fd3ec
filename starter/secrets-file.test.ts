import { sign, verify } from 'node:crypto';
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { readPrivateKey, readPublicKey } from '../platform/tokens/ed25519.ts';
import {
  forgetPreviousArtifactKeys,
  forgetPreviousCodecKeys,
  loadLocalSecrets,
  rotateArtifactKey,
  rotateCodecKey,
} from './secrets-file.ts';

describe('loadLocalSecrets', () => {
  let folder: string;
  let file: string;
  const lines: string[] = [];
  const log = (line: string): void => void lines.push(line);

  beforeEach(() => {
    lines.length = 0;
    folder = mkdtempSync(path.join(os.tmpdir(), 'alga-secrets-'));
    file = path.join(folder, 'secrets.json');
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it('makes the secrets once, readable by their owner alone', () => {
    const first = loadLocalSecrets(file, log);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(loadLocalSecrets(file, log)).toEqual(first);
    expect(lines).toEqual([]);
  });

  it('makes halves that belong together and keys that are all different', () => {
    const { executionToken, artifactSigning, tokens, apiKeys } = loadLocalSecrets(file, log);
    for (const pair of [executionToken, artifactSigning]) {
      const signature = sign(null, Buffer.from('x'), readPrivateKey(pair.privateKey));
      expect(verify(null, Buffer.from('x'), readPublicKey(pair.publicKey), signature)).toBe(true);
    }
    const all = [
      ...Object.values(tokens),
      ...Object.values(apiKeys),
      executionToken.privateKey,
      artifactSigning.privateKey,
    ];
    expect(new Set(all).size).toBe(all.length);
    for (const key of Object.values(apiKeys)) expect(key).toMatch(/^alga_[0-9a-f]{16}_[\w-]{43}$/);
  });

  it('adds what an earlier release did not make, once, and leaves the rest', () => {
    const made = loadLocalSecrets(file, log);
    const { metrics, ...tokens } = made.tokens;
    writeFileSync(file, JSON.stringify({ ...made, tokens }));
    const completed = loadLocalSecrets(file, log);
    expect(completed).toEqual({ ...made, tokens: { ...tokens, metrics: completed.tokens.metrics } });
    expect(completed.tokens.metrics).not.toBe(metrics);
    expect(loadLocalSecrets(file, log)).toEqual(completed);
  });

  it('takes the file away from other users and says so', () => {
    loadLocalSecrets(file, log);
    chmodSync(file, 0o644);
    loadLocalSecrets(file, log);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(lines).toEqual([`${file} could be read by other users (mode 644); it is 600 now`]);
  });

  it.each([
    ['is no JSON', '{"payloadCodecKey": "hidden-value'],
    ['lacks keys', '{"payloadCodecKey": "hidden-value"}'],
  ])('refuses a file that %s without quoting it', (_fault, text) => {
    writeFileSync(file, text);
    expect(() => loadLocalSecrets(file, log)).toThrow(/^(?!.*hidden-value).*begin anew$/s);
    expect(readFileSync(file, 'utf8')).toBe(text);
  });

  it('gives artifacts a new key and keeps the public half of the one before, until that is forgotten', () => {
    const first = loadLocalSecrets(file, log);
    rotateArtifactKey(file);
    const second = loadLocalSecrets(file, log);
    expect(second.artifactSigning.privateKey).not.toBe(first.artifactSigning.privateKey);
    expect(second.artifactSigning.previous).toEqual([first.artifactSigning.publicKey]);
    expect({ ...second, artifactSigning: {} }).toEqual({ ...first, artifactSigning: {} });
    expect(statSync(file).mode & 0o777).toBe(0o600);
    rotateArtifactKey(file);
    expect(forgetPreviousArtifactKeys(file)).toBe(2);
    expect(loadLocalSecrets(file, log).artifactSigning.previous).toEqual([]);
  });

  it('gives payloads a new key and keeps the ones before, until they are forgotten', () => {
    const first = loadLocalSecrets(file, log);
    rotateCodecKey(file);
    rotateCodecKey(file);
    const third = loadLocalSecrets(file, log);
    expect(third.previousPayloadCodecKeys).toHaveLength(2);
    expect(third.previousPayloadCodecKeys[1]).toBe(first.payloadCodecKey);
    expect(new Set([third.payloadCodecKey, ...third.previousPayloadCodecKeys]).size).toBe(3);
    expect(forgetPreviousCodecKeys(file)).toBe(2);
    expect(loadLocalSecrets(file, log)).toEqual({ ...third, previousPayloadCodecKeys: [] });
  });

  it('rotates nothing where nothing was made', () => {
    expect(() => rotateCodecKey(file)).toThrow(file);
    expect(() => forgetPreviousCodecKeys(file)).toThrow(file);
    expect(() => rotateArtifactKey(file)).toThrow(file);
    expect(() => forgetPreviousArtifactKeys(file)).toThrow(file);
  });

  it('reads a file that an earlier release made', () => {
    const { artifactSigning, ...rest } = loadLocalSecrets(file, log);
    const { publicKey, privateKey } = artifactSigning;
    writeFileSync(file, JSON.stringify({ ...rest, artifactSigning: { publicKey, privateKey } }));
    expect(loadLocalSecrets(file, log).artifactSigning.previous).toEqual([]);
  });
});
