import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { askHost, askStorage, tokenFor, type StorageAnswer } from '../support/host-storage.ts';
import { installSample, startApi, type InstalledSample, type TestApi } from '../support/start-api.ts';

let api: TestApi;
let tenantId: string;
let sample: InstalledSample;
let token: string;
beforeAll(async () => {
  api = await startApi('api_host_storage_v2');
  ({ tenantId } = await api.tenant());
  sample = await installSample(api, tenantId);
  token = await tokenFor(api, sample);
});
afterAll(() => api.close());

const ask = (verb: string, head: unknown, value?: Uint8Array): Promise<StorageAnswer> =>
  askHost(api, `storage-v2/${verb}`, head, { token, ...(value && { value }) });
const inNotes = (head: Record<string, unknown>) => ({ namespace: 'notes', ...head });
const putOne = (key: string, text: string, more: Record<string, unknown> = {}) =>
  ask('put', inNotes({ records: [{ key, bytes: Buffer.byteLength(text), ...more }] }), Buffer.from(text));
const refused = (status: number, code: string) => ({ status, head: { code } });

describe('host storage, second version', () => {
  it('puts, gets, lists, counts and deletes records of the token’s install', async () => {
    const values = Buffer.from('onetwo');
    const records = [
      { key: 'a', bytes: 3, revision: 0, ttlSeconds: 1_000 },
      { key: 'b', bytes: 3 },
    ];
    const put = await ask('put', inNotes({ records }), values);
    const [first, second] = put.head['revisions'] as number[];
    const got = await ask('get', inNotes({ key: 'a' }));
    expect(got.head).toEqual({
      namespace: 'notes',
      key: 'a',
      revision: first,
      expiresAt: expect.any(Number) as unknown,
    });
    expect(Buffer.from(got.body).toString()).toBe('one');
    const expected = {
      status: 200,
      head: {
        records: [
          { key: 'a', revision: first, bytes: 3, expiresAt: got.head['expiresAt'] },
          { key: 'b', revision: second, bytes: 3 },
        ],
        more: false,
      },
      body: new Uint8Array(values),
    };
    expect(await ask('list', inNotes({ prefix: '' }))).toMatchObject({ status: 200, head: expected.head });
    expect(await ask('list', inNotes({ prefix: '', limit: 1 }))).toMatchObject({
      head: { records: [{ key: 'a' }], more: true },
    });
    expect(await ask('get-many', inNotes({ keys: ['b', 'nothing', 'a'] }))).toMatchObject({
      head: { records: [{ key: 'b' }, { key: 'a' }], more: false },
    });
    expect((await ask('increment', inNotes({ key: 'n', delta: '5', initial: '-7' }))).head).toEqual({
      sum: '-2',
    });
    expect(await ask('delete', inNotes({ key: 'b', revision: second }))).toMatchObject({
      status: 200,
      head: {},
    });
    expect((await ask('delete-many', inNotes({ keys: ['a', 'b'] }))).head).toEqual({
      removed: [true, false],
    });
    // A guest of the first version finds what is left.
    expect((await askStorage(api, 'list', { namespace: 'notes' }, { token })).head).toMatchObject({
      records: [{ key: 'n' }],
    });
  });

  it('says what is wrong in a way of its own', async () => {
    await putOne('text', 'no number');
    expect(await ask('increment', inNotes({ key: 'text', delta: '1' }))).toMatchObject(
      refused(409, 'STORAGE_NOT_A_COUNTER'),
    );
    await putOne('most', String(2n ** 63n - 1n));
    expect(await ask('increment', inNotes({ key: 'most', delta: '1' }))).toMatchObject(
      refused(409, 'STORAGE_OVERFLOW'),
    );
    expect(await ask('get', inNotes({ key: 'nothing' }))).toMatchObject(refused(404, 'STORAGE_MISSING'));
    expect(await putOne('text', 'x', { revision: 0 })).toMatchObject(refused(409, 'STORAGE_CONFLICT'));
    expect(await putOne('big', 'x'.repeat(64 * 1024 + 1))).toMatchObject(refused(429, 'STORAGE_LIMIT'));
    const large = { records: Array.from({ length: 5 }, (_none, n) => ({ key: `k${n}`, bytes: 60_000 })) };
    expect(await ask('put', inNotes(large), new Uint8Array(300_000))).toMatchObject(
      refused(429, 'STORAGE_LIMIT'),
    );
    expect(await ask('get', { namespace: 'other', key: 'a' })).toMatchObject(
      refused(403, 'CAPABILITY_NOT_GRANTED'),
    );
  });

  const many = Array.from({ length: 101 }, (_none, n) => `k${n}`);
  it.each([
    ['an increment without a delta', 'increment', { key: 'a' }],
    ['a delta that is no integer', 'increment', { key: 'a', delta: '1.5' }],
    ['an end at once', 'increment', { key: 'a', delta: '1', ttlSeconds: 0 }],
    ['an end of half a second', 'increment', { key: 'a', delta: '1', ttlSeconds: 0.5 }],
    ['a key that is too long', 'get', { key: 'k'.repeat(513) }],
    ['no keys', 'get-many', { keys: [] }],
    ['too many keys', 'get-many', { keys: many }],
    ['a key named twice', 'delete-many', { keys: ['a', 'b', 'a'] }],
    ['a key that the database cannot hold', 'delete-many', { keys: ['a\0'] }],
    ['a revision that no record has', 'delete', { key: 'a', revision: 0 }],
    ['pages of nothing', 'list', { prefix: '', limit: 0 }],
    ['pages that are too long', 'list', { prefix: '', limit: 101 }],
    ['a prefix that the database cannot hold', 'list', { prefix: '\ud800' }],
  ])('refuses %s', async (_what, verb, head) => {
    expect(await ask(verb, inNotes(head))).toMatchObject(refused(400, 'INPUT_INVALID'));
  });

  it.each([
    ['none', []],
    [
      'two of one key',
      [
        { key: 'a', bytes: 1 },
        { key: 'a', bytes: 1 },
      ],
    ],
    ['more bytes than there are', [{ key: 'a', bytes: 3 }]],
    ['fewer bytes than there are', [{ key: 'a', bytes: 1 }]],
    [
      'bytes beyond all memory',
      [
        { key: 'a', bytes: 2 ** 52 },
        { key: 'b', bytes: 2 },
      ],
    ],
    ['too many', many.map((key) => ({ key, bytes: 0 }))],
  ])('refuses to put %s', async (_what, records) => {
    expect(await ask('put', inNotes({ records }), Buffer.from('xx'))).toMatchObject(
      refused(400, 'INPUT_INVALID'),
    );
    expect(await ask('put', inNotes({ records: [{ key: 'a', bytes: 0 }] }))).toMatchObject(
      refused(400, 'INPUT_INVALID'),
    );
  });

  it('denies every verb to an install without a grant, and to an execution that has ended', async () => {
    const bare = await tokenFor(api, await installSample(api, tenantId, { capabilities: [] }));
    const verbs: [string, Record<string, unknown>, Uint8Array?][] = [
      ['get', { key: 'a' }],
      ['get-many', { keys: ['a'] }],
      ['list', { prefix: '' }],
      ['put', { records: [{ key: 'a', bytes: 0 }] }, new Uint8Array()],
      ['delete', { key: 'a' }],
      ['delete-many', { keys: ['a'] }],
      ['increment', { key: 'a', delta: '1' }],
    ];
    const ended = await tokenFor(api, sample, { executionId: '01890000-0000-7000-8000-000000000000' });
    for (const [verb, head, value] of verbs) {
      const asking = (given: string) =>
        askHost(api, `storage-v2/${verb}`, inNotes(head), { token: given, ...(value && { value }) });
      expect(await asking(bare)).toMatchObject(refused(403, 'CAPABILITY_NOT_GRANTED'));
      expect(await asking(ended)).toMatchObject(refused(403, 'EXECUTION_ENDED'));
      expect(await asking('none')).toMatchObject(refused(401, 'TOKEN_INVALID'));
    }
  });

  it('counts what sixteen executions count at once', async () => {
    const tokens = await Promise.all(Array.from({ length: 16 }, () => tokenFor(api, sample)));
    const sums = await Promise.all(
      tokens.map((own) =>
        askHost(api, 'storage-v2/increment', inNotes({ key: 'sixteen', delta: '1' }), { token: own }),
      ),
    );
    const told = sums.map(({ head }) => Number(head['sum'])).sort((a, b) => a - b);
    expect(told).toEqual(Array.from({ length: 16 }, (_none, n) => n + 1));
  });
});
