import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { MockActivityEnvironment } from '@temporalio/testing';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createFolderObjectStore } from '../platform/objects/folder-object-store.ts';
import { createObjectKeys } from '../platform/objects/keys.ts';
import { createUploadActivities } from './uploads.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'alga-staging-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe('removeStaging', () => {
  it('leaves nothing of the upload, and everything of another one of the same user', async () => {
    const objects = createFolderObjectStore({ folder });
    const keys = createObjectKeys('sha256/');
    const asked = (): Promise<never> => Promise.reject(new Error('no row is asked for'));
    const uploads = { find: asked, open: asked, abort: asked, saveProgress: asked, end: asked };
    const activities = createUploadActivities({ uploads, objects, keys });
    const ref = { tenantId: randomUUID(), uploadId: randomUUID(), requestedBy: 'key:publisher' };
    const other = { ...ref, uploadId: randomUUID() };
    const pinned = Object.values(keys.pinned(ref, randomUUID()));
    for (const key of [keys.staging(ref), keys.staging(other), ...pinned]) {
      await objects.put(key, new Uint8Array(1));
    }
    const remove = (): Promise<void> =>
      new MockActivityEnvironment().run(() => activities.removeStaging(ref));
    await remove();
    await remove();
    const left: string[] = [];
    for await (const { key } of objects.list(keys.stagingOf(ref))) left.push(key);
    expect(left).toEqual([keys.staging(other)]);
  });
});
