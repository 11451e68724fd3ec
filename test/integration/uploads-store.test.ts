import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createUploadStore, type UploadStore } from '../../platform/db/uploads.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { seedTenant, seedVersion } from '../support/seed.ts';

let database: TestDatabase;
let uploads: UploadStore;
let tenantId: string;
beforeAll(async () => {
  database = await createTestDatabase('uploads');
  uploads = createUploadStore(database.db);
  tenantId = await seedTenant(database.db);
});
afterAll(() => database.drop());

const received = { size: 5, sha256: 'b'.repeat(64) };

async function newUpload(expiresAt = new Date(Date.now() + 60_000)): Promise<string> {
  const uploadId = randomUUID();
  await uploads.create(tenantId, {
    uploadId,
    createdBy: 'key',
    filename: 'x.tar.zst',
    announcedSize: 5,
    expiresAt,
  });
  return uploadId;
}

async function openUpload(): Promise<string> {
  const uploadId = await newUpload();
  await uploads.markReceived(tenantId, uploadId, received);
  await uploads.open(tenantId, uploadId);
  return uploadId;
}

describe('an upload', () => {
  it('opens into a publish once its bytes are there, and a repeat finds it open', async () => {
    const uploadId = await openUpload();
    expect((await uploads.open(tenantId, uploadId)).status).toBe('verifying');
    expect(await uploads.find(tenantId, uploadId)).toMatchObject({ status: 'verifying', received });
  });

  it('does not open before its bytes are there', async () => {
    await expect(uploads.open(tenantId, await newUpload())).rejects.toMatchObject({
      code: 'UPLOAD_INCOMPLETE',
    });
  });

  it('is not there for another tenant', async () => {
    const uploadId = await newUpload();
    const other = await seedTenant(database.db);
    expect(await uploads.find(other, uploadId)).toBeUndefined();
    await expect(uploads.open(other, uploadId)).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect(uploads.markReceived(other, uploadId, received)).rejects.toMatchObject({
      code: 'UPLOAD_CLOSED',
    });
    await expect(uploads.abort(other, uploadId)).rejects.toMatchObject({ code: 'UPLOAD_CLOSED' });
  });

  it('takes no bytes after it was opened, aborted or has expired', async () => {
    const aborted = await newUpload();
    await uploads.abort(tenantId, aborted);
    await uploads.abort(tenantId, aborted);
    const expired = await newUpload(new Date(Date.now() - 1000));
    for (const uploadId of [await openUpload(), aborted, expired]) {
      await expect(uploads.markReceived(tenantId, uploadId, received)).rejects.toMatchObject({
        code: 'UPLOAD_CLOSED',
      });
    }
  });

  it('cannot be aborted once it is being published', async () => {
    await expect(uploads.abort(tenantId, await openUpload())).rejects.toMatchObject({
      code: 'UPLOAD_CLOSED',
    });
  });

  it('keeps its first end against late progress and a second end', async () => {
    const uploadId = await openUpload();
    const { versionId } = await seedVersion(database.db, tenantId);
    await uploads.end(tenantId, uploadId, { status: 'published', versionId, steps: [], checks: [] });
    await uploads.saveProgress(tenantId, uploadId, { status: 'verifying', steps: [], checks: [] });
    const error = { code: 'INTERNAL' as const, message: 'late' };
    await uploads.end(tenantId, uploadId, { status: 'failed', error, steps: [], checks: [] });
    expect(await uploads.find(tenantId, uploadId)).toMatchObject({ status: 'published', versionId });
    expect((await uploads.find(tenantId, uploadId))?.error).toBeUndefined();
  });
});
