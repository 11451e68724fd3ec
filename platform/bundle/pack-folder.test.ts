import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmod, mkdir, mkdtemp, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { packFolder } from './pack-folder.ts';

let root: string;
beforeAll(async () => {
  root = await mkdtemp(path.join(os.tmpdir(), 'alga-pack-'));
});
afterAll(() => rm(root, { recursive: true, force: true }));

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

interface Machine {
  /** In which order files are made, which is the order in which many file systems list them. */
  order: number[];
  mask: number;
  mode: number;
  seconds: number;
}

// Names that locales and code units order otherwise than bytes do.
const name = fc.constantFrom('a', 'B', 'z', 'ä', 'Z', 'i', 'I', 'ı', '_', '10', '9', 'ﬁ', '🦊', 'ａ');
const files = fc.uniqueArray(
  fc.record({
    path: fc.array(name, { minLength: 1, maxLength: 3 }).map((parts) => `${parts.join('/')}.x`),
    bytes: fc.uint8Array({ maxLength: 200 }),
  }),
  { selector: ({ path: one }) => one.toLowerCase().normalize('NFC'), minLength: 1, maxLength: 8 },
);
const machine = (count: number): fc.Arbitrary<Machine> =>
  fc.record({
    order: fc.shuffledSubarray([...Array(count).keys()], { minLength: count }),
    mask: fc.constantFrom(0o000, 0o022, 0o027, 0o077),
    mode: fc.constantFrom(0o400, 0o644, 0o755),
    seconds: fc.integer({ min: 0, max: 2 ** 31 }),
  });

let made = 0;
async function folderOn(
  { order, mask, mode, seconds }: Machine,
  contents: { path: string; bytes: Uint8Array }[],
): Promise<string> {
  const folder = path.join(root, String((made += 1)));
  const before = process.umask(mask);
  try {
    await mkdir(folder);
    for (const at of order) {
      const file = contents[at];
      if (!file) continue;
      const target = path.join(folder, file.path);
      await mkdir(path.dirname(target), { recursive: true });
      await writeFile(target, file.bytes);
      await chmod(target, mode);
      await utimes(target, seconds, seconds);
    }
  } finally {
    process.umask(before);
  }
  return folder;
}

it('gives the same bytes for the same files, whatever their order, permissions and times', async () => {
  const twice = files.chain((contents) =>
    fc.tuple(fc.constant(contents), machine(contents.length), machine(contents.length)),
  );
  await fc.assert(
    fc.asyncProperty(twice, async ([contents, one, other]) => {
      const [a, b] = [await folderOn(one, contents), await folderOn(other, contents)];
      expect(sha256(await packFolder(a))).toBe(sha256(await packFolder(b)));
    }),
    { numRuns: 8, seed: 13 },
  );
});

it('gives the same bytes in processes of other locales, time zones and umasks', async () => {
  const names = ['ä.x', 'z.x', 'Y.x', 'ı.x', 'a/b.x', 'a.x', '10.x', '9.x'];
  const contents = names.map((one) => ({ path: one, bytes: Buffer.from(one) }));
  const order = [...names.keys()];
  const folder = await folderOn({ order, mask: 0o022, mode: 0o644, seconds: 0 }, contents);
  await symlink('z.x', path.join(folder, 'link.x'));
  const script = `
    import { createHash } from 'node:crypto';
    import { packFolder } from ${JSON.stringify(path.join(import.meta.dirname, 'pack-folder.ts'))};
    process.umask(0o077);
    process.stdout.write(createHash('sha256').update(await packFolder(process.argv[1])).digest('hex'));`;
  const elsewhere = [
    { LC_ALL: 'sv_SE.UTF-8', TZ: 'Asia/Kathmandu' },
    { LC_ALL: 'tr_TR.UTF-8', TZ: 'America/St_Johns' },
  ];
  const hashes = await Promise.all(
    elsewhere.map(async (env) => {
      const args = ['--input-type=module', '-e', script, folder];
      return (await promisify(execFile)(process.execPath, args, { env })).stdout;
    }),
  );
  const here = sha256(await packFolder(folder));
  expect(hashes).toEqual([here, here]);
});
