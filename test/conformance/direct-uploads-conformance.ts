import { randomBytes, randomUUID } from 'node:crypto';
import { beforeAll, describe, expect, it } from '@jest/globals';
import type { DirectUploads, PresignedPut } from '../../platform/objects/direct-uploads.ts';
import type { ObjectStore } from '../../platform/objects/object-store.ts';

const PART = 5 * 1024 * 1024;
const FIRST = new Uint8Array(randomBytes(PART));
const LAST = new Uint8Array(randomBytes(70_001));
const contentType = 'application/zstd';
const expiresInSeconds = 60;

/** What a client does that has nothing but the URL. */
async function send(
  { url, headers }: PresignedPut,
  body: Uint8Array<ArrayBuffer>,
  other: Record<string, string> = {},
): Promise<{ status: number; etag: string }> {
  const answer = await fetch(url, { method: 'PUT', body, headers: { ...headers, ...other } });
  await answer.arrayBuffer();
  return { status: answer.status, etag: answer.headers.get('etag') ?? '' };
}

/** What every object store promises that takes bytes from clients. */
export function describeDirectUploads(name: string, provide: () => ObjectStore): void {
  describe(`${name} as a store that clients send bytes to`, () => {
    let store: ObjectStore;
    let direct: DirectUploads;
    beforeAll(() => {
      store = provide();
      if (!store.direct) throw new Error('this store takes no bytes from clients');
      direct = store.direct;
    });

    const freshKey = (): string => `test/${randomUUID()}/object.bin`;
    async function contentOf(key: string): Promise<Buffer | undefined> {
      const object = await store.read(key);
      if (!object) return undefined;
      const chunks: Uint8Array[] = [];
      for await (const chunk of object.body) chunks.push(chunk);
      return Buffer.concat(chunks);
    }
    const part = (key: string, id: string, number: number, { length }: Uint8Array): Promise<PresignedPut> =>
      direct.presignPart(key, id, { number, size: length, expiresInSeconds });
    const put = (key: string, size: number, seconds = expiresInSeconds): Promise<PresignedPut> =>
      direct.presignPut(key, { size, contentType, expiresInSeconds: seconds });

    it('takes an object in one request, and says how large it is', async () => {
      const key = freshKey();
      expect(await direct.sizeOf(key)).toBeUndefined();
      expect(await send(await put(key, LAST.length), LAST)).toMatchObject({ status: 200 });
      expect(await direct.sizeOf(key)).toBe(LAST.length);
      expect(Buffer.compare((await contentOf(key)) ?? Buffer.alloc(0), LAST)).toBe(0);
    });

    it('takes nothing but what was signed: no more bytes, no fewer, no other type, no other key', async () => {
      const key = freshKey();
      const signed = await put(key, LAST.length);
      const longer = new Uint8Array(LAST.length + 1);
      const refused = [
        await send(signed, longer),
        await send(signed, LAST.subarray(1)),
        await send(signed, LAST, { 'content-type': 'text/html' }),
        await send({ ...signed, url: signed.url.replace('object.bin', 'other.bin') }, LAST),
      ];
      expect(refused.map(({ status }) => status)).toEqual([403, 403, 403, 403]);
      expect(await direct.sizeOf(key)).toBeUndefined();
      expect(await direct.sizeOf(key.replace('object.bin', 'other.bin'))).toBeUndefined();
    });

    it('takes nothing once the URL has expired', async () => {
      const key = freshKey();
      const signed = await put(key, LAST.length, 1);
      await new Promise((resolve) => setTimeout(resolve, 2_100));
      expect(await send(signed, LAST)).toMatchObject({ status: 403 });
      expect(await direct.sizeOf(key)).toBeUndefined();
    });

    it('takes an object in parts, in any order, each as often as need be, and says which are there', async () => {
      const key = freshKey();
      const id = await direct.beginParts(key, { contentType });
      expect(await direct.listParts(key, id)).toEqual([]);
      expect(await send(await part(key, id, 2, LAST), LAST)).toMatchObject({ status: 200 });
      expect(await direct.listParts(key, id)).toMatchObject([{ number: 2, size: LAST.length }]);
      await send(await part(key, id, 1, FIRST), new Uint8Array(PART));
      const { etag } = await send(await part(key, id, 1, FIRST), FIRST);
      const parts = (await direct.listParts(key, id)) ?? [];
      expect(parts).toMatchObject([
        { number: 1, size: PART, etag },
        { number: 2, size: LAST.length },
      ]);
      expect(await direct.sizeOf(key)).toBeUndefined();
      expect(await direct.completeParts(key, id, parts)).toBe(true);
      expect(await direct.listParts(key, id)).toBeUndefined();
      const whole = Buffer.concat([FIRST, LAST]);
      expect(Buffer.compare((await contentOf(key)) ?? Buffer.alloc(0), whole)).toBe(0);
    });

    it('makes no object of parts that are not those it has', async () => {
      const key = freshKey();
      const id = await direct.beginParts(key, { contentType });
      const { etag } = await send(await part(key, id, 1, LAST), LAST);
      const other = etag.replaceAll(/[0-9a-f]/g, '0');
      expect(await direct.completeParts(key, id, [{ number: 1, etag: other }])).toBe(false);
      expect(await direct.sizeOf(key)).toBeUndefined();
      expect(await direct.completeParts(key, id, [{ number: 1, etag }])).toBe(true);
      await direct.completeParts(key, id, [{ number: 1, etag }]);
      expect(await direct.sizeOf(key)).toBe(LAST.length);
    });

    it('refuses a part of another length, and leaves of an abandoned upload nothing that could be completed', async () => {
      const [key, other] = [freshKey(), freshKey()];
      const id = await direct.beginParts(key, { contentType });
      const kept = await direct.beginParts(other, { contentType });
      const signed = await part(key, id, 1, LAST);
      expect(await send(signed, LAST.subarray(1))).toMatchObject({ status: 403 });
      const { etag } = await send(signed, LAST);
      await direct.abandonParts(key);
      await direct.abandonParts(key);
      expect(await direct.listParts(key, id)).toBeUndefined();
      expect(await direct.completeParts(key, id, [{ number: 1, etag }])).toBe(false);
      expect(await send(signed, LAST)).toMatchObject({ status: 404 });
      expect(await direct.listParts(other, kept)).toEqual([]);
      const later = { before: new Date(Date.now() + 60_000), dryRun: true };
      expect(await store.removeUnfinished(key.replace('object.bin', ''), later)).toBe(0);
      await direct.abandonParts(other);
    });
  });
}
