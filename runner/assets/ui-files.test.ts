import { createHash } from 'node:crypto';
import { cp, mkdtemp, readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterEach, describe, expect, it } from '@jest/globals';
import { SecretValue } from '../../core/secret-value.ts';
import { DEFAULT_BUNDLE_LIMITS } from '../../core/tar/limits.ts';
import { packTarZst } from '../../platform/bundle/pack.ts';
import { createLogger } from '../../platform/logger.ts';
import { createObjectKeys } from '../../platform/objects/keys.ts';
import { openDiskCache } from '../cache/disk-cache.ts';
import { createUiFiles, type UiFiles } from './ui-files.ts';
import { deriveListingKey, isIntact } from './ui-listing.ts';

const keys = createObjectKeys('sha256/');

const folders: string[] = [];
afterEach(async () => {
  await Promise.all(folders.splice(0).map((folder) => rm(folder, { recursive: true })));
});

async function bundleOf(page: string) {
  const files = { 'manifest.json': '{}', 'ui/index.html': page, 'ui/sub/app.js': 'app' };
  const entries = Object.entries(files).map(([path, content]) => ({ path, bytes: Buffer.from(content) }));
  const bytes = await packTarZst(entries, DEFAULT_BUNDLE_LIMITS);
  return { bytes, hash: `sha256:${createHash('sha256').update(bytes).digest('hex')}` };
}

/** An object store with two bundles, and runners that begin anew on one cache. */
async function setup() {
  const folder = await mkdtemp(join(tmpdir(), 'uis-'));
  folders.push(folder);
  const [one, other] = [await bundleOf('page'), await bundleOf('evil')];
  const objects = new Map([one, other].map(({ bytes, hash }) => [keys.bundle(hash), bytes]));
  const reads: string[] = [];
  const found: string[] = [];
  const log: string[] = [];
  let gate: Promise<unknown> = Promise.resolve();
  const hold = (): (() => void) => {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    gate = promise;
    return () => resolve(undefined);
  };
  const logger = createLogger({ level: 'info', process: 'runner' }, { write: (line) => void log.push(line) });
  const start = async (credential = 'credential'): Promise<UiFiles> =>
    createUiFiles({
      objects: {
        read: async (key) => {
          reads.push(key);
          await gate;
          const found = objects.get(key);
          return found && { size: found.length, body: Readable.from([found]) };
        },
      },
      keys,
      disk: await openDiskCache({ folder, maxBytes: 1 << 30, logger }),
      listingKey: deriveListingKey(new SecretValue(credential)),
      bundleLimits: DEFAULT_BUNDLE_LIMITS,
      countLookup: (_cache, tier) => void found.push(tier),
      logger,
      now: () => Date.now() + 60_000, // so that stamps are old enough to be believed
    });
  const entry = (hash: string) => join(folder, `forms-${hash.slice('sha256:'.length)}`);
  const place = join(entry(one.hash), 'identity', 'index.html');
  const page = async (uis: UiFiles): Promise<string> =>
    readFile((await uis.path(one.hash, 'index.html', 'identity')) ?? '', 'utf8');
  return { start, reads, log, found, hold, page, place, entry, one, other };
}

describe('UI files in the cache', () => {
  it('are found by the next run as they were left', async () => {
    const { start, page, reads, found } = await setup();
    expect(await page(await start())).toBe('page');
    const uis = await start();
    expect([await page(uis), await page(uis)]).toEqual(['page', 'page']);
    expect(reads).toHaveLength(1);
    expect(found).toEqual(['store', 'disk']);
  });

  it.each([
    ['written to', (place: string) => writeFile(place, 'evil')],
    [
      'written to, with its time put back',
      async (place: string) => {
        const { atime, mtime } = await stat(place);
        await writeFile(place, 'evil');
        await utimes(place, atime, mtime);
      },
    ],
    [
      'replaced',
      async (place: string) => {
        await writeFile(`${place}.new`, 'evil');
        await rename(`${place}.new`, place);
      },
    ],
    ['removed', (place: string) => rm(place)],
  ])('are unpacked anew when one was %s, before and after it was first served', async (_how, alter) => {
    const { start, page, place, log, reads } = await setup();
    const uis = await start();
    await page(uis);
    for (const runner of [uis, await start(), uis]) {
      await alter(place);
      expect(await page(runner)).toBe('page');
    }
    expect(reads).toHaveLength(4);
    expect(log.filter((line) => line.includes('altered or removed'))).toHaveLength(3);
  });

  it('are unpacked anew when the listing is that of another UI, was altered, or was written with another credential', async () => {
    const { start, page, entry, one, other, reads } = await setup();
    const uis = await start();
    await page(uis);
    await uis.path(other.hash, 'index.html', 'identity');
    await rm(entry(one.hash), { recursive: true });
    await cp(entry(other.hash), entry(one.hash), { recursive: true });
    expect(await page(await start())).toBe('page');

    const listing = join(entry(one.hash), 'listing.json');
    const evil = createHash('sha256').update('evil').digest('hex');
    const was = createHash('sha256').update('page').digest('hex');
    await writeFile(listing, (await readFile(listing, 'utf8')).replace(was, evil));
    await writeFile(join(entry(one.hash), 'identity', 'index.html'), 'evil');
    expect(await page(await start())).toBe('page');

    expect(await page(await start('another'))).toBe('page');
    expect(reads).toHaveLength(5);
  });

  it('that are not listed are nowhere, though they lie in the folder', async () => {
    const { start, page, entry, one } = await setup();
    const uis = await start();
    await page(uis);
    await writeFile(join(entry(one.hash), 'identity', 'extra.js'), 'evil');
    for (const file of ['extra.js', 'sub', 'sub/', '', 'sub/../index.html', '../listing.json']) {
      expect(await uis.path(one.hash, file, 'identity')).toBeUndefined();
      expect(await uis.forms(one.hash, file)).toBeUndefined();
      expect(await uis.bytes(one.hash, file, 'identity')).toBeUndefined();
    }
    expect(await readdir(join(entry(one.hash), 'identity'))).toContain('extra.js');
  });

  it('are mended once, however many ask at once', async () => {
    const { start, page, place, reads, log } = await setup();
    const uis = await start();
    await page(uis);
    await writeFile(place, 'evil');
    const pages = await Promise.all(Array.from({ length: 50 }, () => page(uis)));
    expect(pages).toEqual(Array(50).fill('page'));
    expect(reads).toHaveLength(2);
    expect(log.filter((line) => line.includes('altered or removed'))).toHaveLength(1);
  });
});

describe('checking a file', () => {
  const sha256 = createHash('sha256').update('page').digest('hex');
  const fileOf = async (content: string): Promise<string> => {
    const folder = await mkdtemp(join(tmpdir(), 'uis-'));
    folders.push(folder);
    await writeFile(join(folder, 'file'), content);
    return join(folder, 'file');
  };

  it('does not read it again while nobody wrote to it', async () => {
    const path = await fileOf('page');
    const later = () => Date.now() + 60_000;
    const file = { sha256 };
    expect(await isIntact(path, file, later)).toBe(true);
    file.sha256 = 'of other bytes';
    expect(await isIntact(path, file, later)).toBe(true);
    await utimes(path, 0, 0);
    expect(await isIntact(path, file, later)).toBe(false);
    expect(await isIntact(path, { sha256 }, later)).toBe(true);
  });

  it('reads it again when it was written so lately that its stamp may be of two writes', async () => {
    const path = await fileOf('page');
    const { ctimeMs } = await stat(path);
    const file = { sha256 };
    expect(await isIntact(path, file, () => ctimeMs + 1_000)).toBe(true);
    file.sha256 = 'of other bytes';
    expect(await isIntact(path, file, () => ctimeMs + 1_000)).toBe(false);
  });
});

describe('unpacking UIs', () => {
  const hashAt = (n: number): string => `sha256:${String(n).padStart(64, '0')}`;

  it('does two at once, lets some wait, and refuses more than those', async () => {
    const { start, reads, hold } = await setup();
    const release = hold();
    const uis = await start();
    const ask = (n: number) => uis.path(hashAt(n), 'index.html', 'identity');
    const asked = Array.from({ length: 34 }, (_, n) => ask(n));
    await expect(ask(34)).rejects.toMatchObject({ code: 'RUNNER_BUSY' });
    expect(reads).toHaveLength(2);
    // Whoever asks for one that is under way or waits shares it.
    asked.push(ask(0), ask(33));
    release();
    const ends = await Promise.allSettled(asked);
    const codes = ends.map((end) => (end as { reason?: { code?: string } }).reason?.code);
    expect(codes).toEqual(Array(36).fill('BUNDLE_UNAVAILABLE'));
    expect(reads).toHaveLength(34);
    await expect(ask(34)).rejects.toMatchObject({ code: 'BUNDLE_UNAVAILABLE' });
  });
});
