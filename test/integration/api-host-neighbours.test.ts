import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually } from '../support/eventually.ts';
import { askStorage, tokenFor, type StorageAnswer } from '../support/host-storage.ts';
import { installSample, startApi, type InstalledSample, type TestApi } from '../support/start-api.ts';

let api: TestApi;
let tenantId: string;
beforeAll(async () => {
  // One connection for whatever calls begin with: host calls must not need it, nor hold it.
  api = await startApi('api_host_neighbours', () => ({ DATABASE_POOL_MAX: '1' }));
  ({ tenantId } = await api.tenant());
});
afterAll(() => api.close());

async function put(install: InstalledSample, key: string, signal?: AbortSignal): Promise<StorageAnswer> {
  return putWith(await tokenFor(api, install), key, signal);
}

async function putWith(token: string, key: string, signal?: AbortSignal): Promise<StorageAnswer> {
  const value = Buffer.from('1');
  return askStorage(api, 'put', { namespace: 'notes', key }, { token, value, ...(signal && { signal }) });
}

/** Holds the record of every install given, so that writes to it wait in the database, until told to let go. */
async function holdRecords(installs: InstalledSample[]): Promise<{ letGo: () => Promise<unknown> }> {
  for (const install of installs) await put(install, 'held');
  const trx = await api.db.transaction();
  await trx('extension_storage_record')
    .whereIn(
      'install_id',
      installs.map(({ installId }) => installId),
    )
    .forUpdate();
  return { letGo: () => trx.rollback() };
}

/** Until so many statements wait in the database for another. */
async function waitForLocks(count: number): Promise<void> {
  await eventually(async () => {
    const { rows } = await api.db.raw<{ rows: [{ waiting: number }] }>(
      `select count(*)::int as waiting from pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock'`,
    );
    expect(rows[0].waiting).toBe(count);
  });
}

describe('neighbours', () => {
  it('are served while all that one install writes has to wait, and what is too much is refused', async () => {
    const stuck = await installSample(api, tenantId);
    const beside = await installSample(api, tenantId);
    const { letGo } = await holdRecords([stuck]);
    const abort = new AbortController();
    const answers: StorageAnswer[] = [];
    const first = put(stuck, 'held');
    await waitForLocks(1);
    const gone = put(stuck, 'gone', abort.signal).catch(() => 'gone');
    // More than may wait. Their calls begin one after the other: at once they would wait long for the one connection.
    const tokens: string[] = [];
    while (tokens.length < 80) tokens.push(await tokenFor(api, stuck));
    const writes = tokens.map(async (token) => void answers.push(await putWith(token, 'held')));
    try {
      await eventually(() =>
        expect(answers).toContainEqual(
          expect.objectContaining({
            status: 429,
            head: expect.objectContaining({ code: 'CONCURRENCY_LIMITED' }) as unknown,
          }),
        ),
      );
      abort.abort();
      expect(await gone).toBe('gone');
      // The tenant's own other installs too: what waits for an install holds none of the tenant's places.
      expect(await put(beside, 'held')).toMatchObject({ status: 200 });
    } finally {
      await letGo();
    }
    await Promise.all([first, ...writes]);
    // On a slow machine a statement may wait longer than it may.
    expect(answers.filter(({ status }) => ![200, 429, 503].includes(status))).toEqual([]);
    const token = await tokenFor(api, stuck);
    const left = await askStorage(api, 'get', { namespace: 'notes', key: 'gone' }, { token });
    expect(left.head).toMatchObject({ code: 'STORAGE_MISSING' });
  });

  it('find connections while one tenant’s calls hold as many as they may', async () => {
    const installs: InstalledSample[] = [];
    for (let n = 0; n < 12; n += 1) installs.push(await installSample(api, tenantId));
    const other = await api.tenant();
    const theirs = await installSample(api, other.tenantId);
    const { letGo } = await holdRecords(installs);
    const state = { answered: 0 };
    const writes = installs.map((install) => put(install, 'held').finally(() => (state.answered += 1)));
    try {
      await waitForLocks(4);
      expect(await put(theirs, 'held')).toMatchObject({ status: 200 });
      // A call begins on another connection than those.
      const call = await api.request('GET', `/api/ext/${theirs.extensionId}/notes/1`, { key: other.key });
      expect(call).toMatchObject({ status: 200, text: 'hello' });
      expect(state.answered).toBe(0);
    } finally {
      await letGo();
    }
    expect((await Promise.all(writes)).map(({ status }) => status)).toEqual(installs.map(() => 200));
  });
});
