import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { beforeAll, describe, expect, it } from '@jest/globals';
import type { ByteSource, ListedObject, ObjectStore } from '../../platform/objects/object-store.ts';

/** More than two parts of a multipart upload. */
const LARGE = 20 * 1024 * 1024 + 12_345;

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);
const announced = (bytes: Uint8Array): { sha256: string; size: number } => ({
  sha256: createHash('sha256').update(bytes).digest('hex'),
  size: bytes.length,
});

/** Each chunk is overwritten once the next is asked for. */
async function* inChunks(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) {
    const chunk = new Uint8Array(bytes.subarray(at, at + size));
    yield await Promise.resolve(chunk);
    chunk.fill(0xff);
  }
}

/** A source that ends with an error after these bytes. */
async function* broken(bytes: Uint8Array, err: Error): AsyncGenerator<Uint8Array> {
  yield* inChunks(bytes, 1_000_000);
  throw err;
}

/** What every object store promises. `provide` answers a store in which nothing else writes under the keys of these tests. */
export function describeObjectStore(name: string, provide: () => Promise<ObjectStore>): void {
  describe(`${name} as an object store`, () => {
    let store: ObjectStore;
    beforeAll(async () => {
      store = await provide();
    });

    const freshKey = (): string => `test/${randomUUID()}/object.bin`;
    async function contentOf(key: string): Promise<Buffer | undefined> {
      const object = await store.read(key);
      if (object === undefined) return undefined;
      const chunks: Uint8Array[] = [];
      for await (const chunk of object.body) chunks.push(chunk);
      const content = Buffer.concat(chunks);
      expect(content.length).toBe(object.size);
      return content;
    }
    async function expectContent(key: string, bytes: Uint8Array): Promise<void> {
      expect(Buffer.compare((await contentOf(key)) ?? Buffer.from('nothing is there'), bytes)).toBe(0);
    }

    it('answers undefined for an object that is not there', async () => {
      expect(await store.read(freshKey())).toBeUndefined();
    });

    it.each<[string, Uint8Array]>([
      ['no bytes', new Uint8Array()],
      ['a few bytes', bytesOf('hello')],
      ['bytes of a whole part', new Uint8Array(8 * 1024 * 1024).fill(7)],
      ['many bytes', randomBytes(LARGE)],
    ])('gives back %s that were put, and says how many', async (_what, bytes) => {
      const key = freshKey();
      expect(await store.put(key, inChunks(bytes, 700_001))).toBe(bytes.length);
      await expectContent(key, bytes);
    });

    it('takes bytes in one piece', async () => {
      const key = freshKey();
      expect(await store.put(key, bytesOf('one'))).toBe(3);
      await expectContent(key, bytesOf('one'));
    });

    it('overwrites with put', async () => {
      const key = freshKey();
      await store.put(key, bytesOf('a longer first text'));
      await store.put(key, bytesOf('second'));
      await expectContent(key, bytesOf('second'));
    });

    it.each([
      ['few bytes', 5],
      ['many bytes', LARGE],
    ])('writes %s once and takes the same bytes again', async (_what, size) => {
      const key = freshKey();
      const bytes = randomBytes(size);
      await store.putOnce(key, inChunks(bytes, 700_001), announced(bytes));
      await store.putOnce(key, inChunks(bytes, 300_001), announced(bytes));
      await expectContent(key, bytes);
    });

    it.each([
      ['few bytes', 5],
      ['many bytes', LARGE],
    ])('refuses other bytes where %s were written once, and keeps the first', async (_what, size) => {
      const key = freshKey();
      const first = randomBytes(size);
      const second = randomBytes(size);
      await store.putOnce(key, first, announced(first));
      await expect(store.putOnce(key, second, announced(second))).rejects.toMatchObject({
        code: 'OBJECT_CONFLICT',
      });
      await expectContent(key, first);
    });

    it('compares the bytes themselves with an object that put wrote', async () => {
      const key = freshKey();
      await store.put(key, bytesOf('same!'));
      await store.putOnce(key, bytesOf('same!'), announced(bytesOf('same!')));
      await expect(store.putOnce(key, bytesOf('other'), announced(bytesOf('other')))).rejects.toMatchObject({
        code: 'OBJECT_CONFLICT',
      });
    });

    it('lets one of several writers at once win', async () => {
      const key = freshKey();
      const writers = Array.from({ length: 6 }, (_, at) => bytesOf(`writer ${at}`));
      const results = await Promise.allSettled(
        writers.map((bytes) => store.putOnce(key, inChunks(bytes, 3), announced(bytes))),
      );
      const winners = results.flatMap((result, at) => (result.status === 'fulfilled' ? [writers[at]] : []));
      expect(winners).toHaveLength(1);
      await expectContent(key, winners[0] ?? new Uint8Array());
      for (const result of results) {
        if (result.status === 'rejected') expect(result.reason).toMatchObject({ code: 'OBJECT_CONFLICT' });
      }
    });

    it.each<[string, Uint8Array, Partial<ReturnType<typeof announced>>]>([
      ['other bytes than announced', bytesOf('hello'), { sha256: announced(bytesOf('jello')).sha256 }],
      ['fewer bytes than announced', bytesOf('hello'), { size: 6 }],
      ['more bytes than announced', bytesOf('hello'), { size: 4 }],
      ['many other bytes than announced', randomBytes(LARGE), { sha256: announced(bytesOf('jello')).sha256 }],
      ['many more bytes than announced', randomBytes(LARGE), { size: LARGE - 1 }],
    ])('stores nothing of %s', async (_what, bytes, wrong) => {
      const key = freshKey();
      await expect(
        store.putOnce(key, inChunks(bytes, 700_001), { ...announced(bytes), ...wrong }),
      ).rejects.toMatchObject({ code: 'BUNDLE_CORRUPT' });
      expect(await contentOf(key)).toBeUndefined();
    });

    it.each([
      ['at once', 0],
      ['after many bytes', LARGE],
    ])('keeps what was there when a source fails %s, and passes its error on', async (_what, size) => {
      const key = freshKey();
      const gone = new Error('the client went away');
      await store.put(key, bytesOf('before'));
      await expect(store.put(key, broken(randomBytes(size), gone))).rejects.toBe(gone);
      await expectContent(key, bytesOf('before'));
      const other = freshKey();
      await expect(
        store.putOnce(other, broken(randomBytes(size), gone), announced(new Uint8Array(LARGE))),
      ).rejects.toBe(gone);
      expect(await contentOf(other)).toBeUndefined();
    });

    it('stops writing when it is told to, and stores nothing', async () => {
      const key = freshKey();
      const stop = new AbortController();
      const reason = new Error('enough');
      async function* endless(): ByteSource & AsyncGenerator<Uint8Array> {
        for (let sent = 0; ; sent += 1) {
          if (sent === 10) stop.abort(reason);
          yield await Promise.resolve(new Uint8Array(1024 * 1024));
        }
      }
      await expect(store.put(key, endless(), { signal: stop.signal })).rejects.toBe(reason);
      expect(await contentOf(key)).toBeUndefined();
    });

    it('lets a reader leave early', async () => {
      const key = freshKey();
      await store.put(key, randomBytes(LARGE));
      const object = await store.read(key);
      for await (const chunk of object?.body ?? []) {
        expect(chunk.length).toBeGreaterThan(0);
        break;
      }
      expect((await contentOf(key))?.length).toBe(LARGE);
    });

    it.each([
      ['the beginning', { start: 0, end: 3 }, 'hel'],
      ['the middle', { start: 1, end: 3 }, 'el'],
      ['what there is of more', { start: 3, end: 99 }, 'lo'],
      ['nothing past the end', { start: 9, end: 12 }, ''],
    ])('reads %s of an object', async (_what, range, expected) => {
      const key = freshKey();
      await store.put(key, bytesOf('hello'));
      const object = await store.read(key, { range });
      const chunks: Uint8Array[] = [];
      for await (const chunk of object?.body ?? []) chunks.push(chunk);
      expect(Buffer.concat(chunks).toString()).toBe(expected);
      expect(object?.size).toBe(expected.length);
      expect(await store.read(freshKey(), { range })).toBeUndefined();
    });

    it('copies what an object is at that moment, over what was there', async () => {
      const [from, to] = [freshKey(), freshKey()];
      const bytes = randomBytes(LARGE);
      await store.put(from, bytes);
      await store.put(to, bytesOf('before'));
      expect(await store.copy(from, to)).toBe(true);
      await store.put(from, bytesOf('written later'));
      await expectContent(to, bytes);
      expect(await store.copy(freshKey(), to)).toBe(false);
      await expectContent(to, bytes);
    });

    it('copies once: the same bytes again, no others, and nothing where nothing is', async () => {
      const [from, other, to] = [freshKey(), freshKey(), freshKey()];
      const bytes = bytesOf('hello');
      await store.put(from, bytes);
      await store.put(other, bytesOf('jello'));
      expect(await store.copyOnce(freshKey(), to, announced(bytes))).toBe(false);
      expect(await contentOf(to)).toBeUndefined();
      expect(await store.copyOnce(from, to, announced(bytes))).toBe(true);
      expect(await store.copyOnce(from, to, announced(bytes))).toBe(true);
      await store.putOnce(to, bytes, announced(bytes));
      await expect(store.copyOnce(other, to, announced(bytesOf('jello')))).rejects.toMatchObject({
        code: 'OBJECT_CONFLICT',
      });
      await store.put(from, bytesOf('written later'));
      await expectContent(to, bytes);
    });

    it('removes an object, and nothing where nothing is', async () => {
      const key = freshKey();
      await store.put(key, bytesOf('x'));
      await store.remove(key);
      expect(await store.read(key)).toBeUndefined();
      await store.remove(key);
    });

    it('lists the objects below a prefix, each with the time it was written', async () => {
      const prefix = `test/${randomUUID()}/`;
      const began = Date.now() - 2_000; // S3 tells seconds
      for (const key of ['a', 'b/c', 'b/d/e']) await store.put(`${prefix}${key}`, bytesOf(key));
      const listed: ListedObject[] = [];
      for await (const object of store.list(prefix)) listed.push(object);
      expect(listed.map(({ key }) => key).sort()).toEqual(['a', 'b/c', 'b/d/e'].map((key) => prefix + key));
      for (const { modifiedAt } of listed) expect(modifiedAt.getTime()).toBeGreaterThan(began);
      for await (const object of store.list(`test/${randomUUID()}/`)) expect(object).toBeUndefined();
    });

    it('removes what a write that was cut off left behind, and no write that may still be under way', async () => {
      const prefix = `test/${randomUUID()}/`;
      const key = `${prefix}object`;
      const sent = Promise.withResolvers<undefined>();
      const goOn = Promise.withResolvers<undefined>();
      async function* stuck(): AsyncGenerator<Uint8Array> {
        yield* inChunks(randomBytes(LARGE), 1_000_000);
        sent.resolve(undefined);
        await goOn.promise;
      }
      const cutOff = store.put(key, stuck());
      await sent.promise;
      const later = new Date(Date.now() + 60_000);
      const remove = (before: Date, dryRun = false) => store.removeUnfinished(prefix, { before, dryRun });
      expect(await remove(new Date(Date.now() - 60_000))).toBe(0);
      expect([await remove(later, true), await remove(later), await remove(later)]).toEqual([1, 1, 0]);
      goOn.resolve(undefined);
      await expect(cutOff).rejects.toMatchObject({ code: 'OBJECT_STORE_UNAVAILABLE' });
      expect(await contentOf(key)).toBeUndefined();
      await store.put(key, bytesOf('whole'));
      expect(await remove(later)).toBe(0);
      await expectContent(key, bytesOf('whole'));
    });

    it.each([
      '',
      '/etc/passwd',
      '../x',
      'a/../b',
      'a//b',
      'a/',
      'a\\b',
      '.hidden',
      'a/.hidden',
      'a\0b',
      'ä',
      'a b',
    ])('refuses %j as a key, for every verb', async (key) => {
      const refused = { code: 'INTERNAL' };
      await expect(store.read(key)).rejects.toMatchObject(refused);
      await expect(store.put(key, bytesOf('x'))).rejects.toMatchObject(refused);
      await expect(store.putOnce(key, bytesOf('x'), announced(bytesOf('x')))).rejects.toMatchObject(refused);
      await expect(store.remove(key)).rejects.toMatchObject(refused);
      await expect((async () => store.copy(key, freshKey()))()).rejects.toMatchObject(refused);
      await expect(
        (async () => store.copyOnce(freshKey(), key, announced(bytesOf('x'))))(),
      ).rejects.toMatchObject(refused);
    });
  });
}
