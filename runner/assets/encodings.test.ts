import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { randomBytes } from 'node:crypto';
import { brotliDecompressSync, gunzipSync, zstdDecompressSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { createEncodeFile, type Coding, type EncodeFile } from './encodings.ts';

const MIB = 1024 * 1024;
const text = (bytes: number): Buffer => Buffer.alloc(bytes, 'the same again and ');

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'encodings-'));
});
afterEach(() => rm(folder, { recursive: true }));

async function formsOf(
  encode: EncodeFile,
  name: string,
  bytes: Uint8Array,
): Promise<Map<Coding, Uint8Array>> {
  const path = join(folder, name);
  await writeFile(path, bytes);
  const forms = new Map<Coding, Uint8Array>();
  for await (const { coding, bytes: encoded } of encode(path)) forms.set(coding, encoded);
  return forms;
}

describe('the forms of a file', () => {
  it('hold what the file holds, in less', async () => {
    const bytes = text(50_000);
    const forms = await formsOf(createEncodeFile(), 'app.js', bytes);
    const { br, zstd, gzip } = Object.fromEntries(forms) as Record<string, Uint8Array>;
    expect(brotliDecompressSync(br ?? '').equals(bytes)).toBe(true);
    expect(zstdDecompressSync(zstd ?? '').equals(bytes)).toBe(true);
    expect(gunzipSync(gzip ?? '').equals(bytes)).toBe(true);
    for (const form of forms.values()) expect(form.byteLength).toBeLessThan(bytes.byteLength / 10);
  });

  it.each([
    ['is small', 'app.js', text(1_000)],
    ['is large', 'app.js', text(4 * MIB + 1)],
    ['is compressed in itself', 'image.png', text(50_000)],
    ['does not get smaller', 'app.js', randomBytes(50_000)],
  ])('are not made of one that %s', async (_what, name, bytes) => {
    expect((await formsOf(createEncodeFile(), name, bytes)).size).toBe(0);
  });

  it('are made of so many bytes and files of a UI, and not of the rest', async () => {
    const encode = createEncodeFile();
    const sizes: number[] = [];
    for (const name of ['a.js', 'b.js', 'c.js'])
      sizes.push((await formsOf(encode, name, text(3 * MIB))).size);
    expect(sizes).toEqual([3, 3, 0]);
    const many = createEncodeFile();
    let made = 0;
    for (let at = 0; at < 1_010; at += 1)
      made += (await formsOf(many, 'a.css', text(1_024))).size > 0 ? 1 : 0;
    expect(made).toBe(1_000);
  });
});
