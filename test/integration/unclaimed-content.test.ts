import { randomBytes, randomUUID } from 'node:crypto';
import { utimes } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { createUploadSweepStore } from '../../platform/db/upload-sweep.ts';
import { createUploadStore, type UploadStore } from '../../platform/db/uploads.ts';
import { eventually } from '../support/eventually.ts';
import { seedTenant, seedVersion } from '../support/seed.ts';
import { ago, createSweeper, HOUR_MS, type Sweeper } from '../support/sweeper.ts';

let sweeper: Sweeper;
let tenantId: string;
beforeAll(async () => {
  sweeper = await createSweeper('unclaimed_content');
});
afterAll(() => sweeper.close());
beforeEach(async () => {
  tenantId = await seedTenant(sweeper.db);
});

const uploads = (): UploadStore => createUploadStore(sweeper.db);
describe('publishes that came to nothing', () => {
  async function objectsOf(contentHash: string): Promise<string[]> {
    const found: string[] = [];
    for await (const { key } of sweeper.objects.list(sweeper.keys.content(contentHash))) found.push(key);
    return found;
  }
  /** Promoted, with an artifact, so long ago. */
  async function promoted(contentHash: string, ageMs: number): Promise<string> {
    const { keys } = sweeper;
    for (const key of [
      keys.bundle(contentHash),
      keys.manifest(contentHash),
      keys.artifact(contentHash, 'v1'),
    ]) {
      await sweeper.objects.put(key, new Uint8Array(1));
      await utimes(path.join(sweeper.folder, key), ago(ageMs), ago(ageMs));
    }
    return contentHash;
  }
  const newHash = (): string => `sha256:${randomBytes(32).toString('hex')}`;
  async function opened(): Promise<string> {
    const uploadId = randomUUID();
    const expiresAt = new Date(Date.now() + HOUR_MS);
    await uploads().create(tenantId, {
      uploadId,
      expiresAt,
      filename: 'b',
      announcedSize: 1,
      createdBy: 'key',
    });
    await uploads().markReceived(tenantId, uploadId, { size: 1, sha256: '0'.repeat(64) });
    await uploads().open(tenantId, uploadId);
    return uploadId;
  }

  it('leave nothing that was promoted; what a version has, or a publish under way, stays', async () => {
    const left = await promoted(newHash(), 2 * HOUR_MS);
    const version = await seedVersion(sweeper.db, tenantId, { publisher: randomUUID() });
    const kept = [
      await promoted(version.contentHash, 2 * HOUR_MS),
      await promoted(newHash(), 2 * HOUR_MS),
      await promoted(newHash(), 1),
    ];
    await uploads().claim(tenantId, await opened(), kept[1] ?? '');
    expect(await sweeper.sweepThrice('sweepObjects')).toEqual([3, 3, 0]);
    expect(await objectsOf(left)).toEqual([]);
    for (const contentHash of kept) expect(await objectsOf(contentHash)).toHaveLength(3);
  });

  it('are not begun anew while their content is removed', async () => {
    const store = createUploadSweepStore(sweeper.db);
    const contentHash = newHash();
    const uploadId = await opened();
    let claimed: Promise<void> | undefined;
    const isRemoved = await store.whileUnclaimed(contentHash, async () => {
      claimed = uploads().claim(tenantId, uploadId, contentHash);
      await eventually(async () => {
        const { rows } = await sweeper.db.raw<{ rows: unknown[] }>(
          `select from pg_locks join pg_database d on d.oid = database
            where locktype = 'advisory' and not granted and datname = current_database()`,
        );
        expect(rows).toHaveLength(1);
      });
      expect(await store.unclaimed([contentHash])).toEqual([contentHash]);
    });
    await claimed;
    expect(isRemoved).toBe(true);
    expect(await store.whileUnclaimed(contentHash, () => Promise.reject(new Error('it is wanted')))).toBe(
      false,
    );
  });
});
