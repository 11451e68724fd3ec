import { randomUUID } from 'node:crypto';
import { readdir, utimes, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { createUploadActivities } from '../../activities/uploads.ts';
import { publishWorkflowId } from '../../core/ids.ts';
import { pendingSteps, PUBLISH_STEPS } from '../../core/progress.ts';
import { createApiKeyStore } from '../../platform/db/api-keys.ts';
import { createExecutionStore } from '../../platform/db/executions.ts';
import { createInstallDraftStore } from '../../platform/db/install-drafts.ts';
import { createInstallOperationStore } from '../../platform/db/install-operations.ts';
import { createRegistryStore } from '../../platform/db/registry.ts';
import { createUploadStore } from '../../platform/db/uploads.ts';
import { generateApiKey } from '../../platform/tokens/api-key.ts';
import { openInput, registrationOf, seedManifest, seedTenant, seedVersion } from '../support/seed.ts';
import { ago, createSweeper, DAY_MS, HOUR_MS, MINUTE_MS, type Sweeper } from '../support/sweeper.ts';
import { uuidAt } from '../support/uuid-at.ts';

let sweeper: Sweeper;
let tenantId: string;
beforeAll(async () => {
  sweeper = await createSweeper('sweeps');
});
afterAll(() => sweeper.close());
beforeEach(async () => {
  tenantId = await seedTenant(sweeper.db);
  sweeper.afterLook = () => Promise.resolve();
});

describe('executions left running', () => {
  const executions = () => createExecutionStore(sweeper.db);
  const begin = async (executionId: string): Promise<string> => {
    await executions().begin(tenantId, {
      executionId,
      installId: randomUUID(),
      extensionId: randomUUID(),
      versionId: randomUUID(),
      contentHash: 'sha256:a',
      requestId: 'r',
      trigger: 'http',
      method: 'GET',
      path: '/',
      principal: 'key',
      requestBytes: 0,
    });
    return executionId;
  };
  const statusOf = async (id: string) => (await executions().find(tenantId, id))?.status;
  const end = { status: 'succeeded', httpStatus: 200, durationMs: 1, responseBytes: 0 } as const;

  it('are interrupted once nobody can end them any more, those from before partitions too, and no other', async () => {
    const { db } = sweeper;
    const legacy = randomUUID();
    await begin(uuidAt(ago(HOUR_MS)));
    await db('extension_execution_log').where({ tenant_id: tenantId }).update({ execution_id: legacy });
    const old = [await begin(uuidAt(ago(20 * MINUTE_MS))), await begin(uuidAt(ago(16 * MINUTE_MS))), legacy];
    const ended = await begin(uuidAt(ago(17 * MINUTE_MS)));
    await executions().end(tenantId, ended, end);
    const young = await begin(uuidAt(ago(14 * MINUTE_MS)));
    await db('housekeeping_mark').update({ until: ago(2 * HOUR_MS) });

    expect(await sweeper.sweepThrice('sweepExecutions')).toEqual([3, 3, 0]);
    expect(await Promise.all(old.map(statusOf))).toEqual(['interrupted', 'interrupted', 'interrupted']);
    expect([await statusOf(ended), await statusOf(young)]).toEqual(['succeeded', 'running']);
    await executions().end(tenantId, young, end);
    expect(await statusOf(young)).toBe('succeeded');
  });

  it('are looked for only from where the sweep before came to, and a little before that', async () => {
    const { db } = sweeper;
    expect(await sweeper.sweep('sweepExecutions')).toBe(0);
    const late = await begin(uuidAt(ago(25 * MINUTE_MS)));
    const beyond = await begin(uuidAt(ago(3 * HOUR_MS)));
    expect(await sweeper.sweep('sweepExecutions')).toBe(1);
    expect([await statusOf(late), await statusOf(beyond)]).toEqual(['interrupted', 'running']);
    await db('extension_execution_log').where({ tenant_id: tenantId }).delete();
  });
});

describe('drafts that nobody will apply', () => {
  const drafts = () => sweeper.db('install_draft').where({ tenant_id: tenantId });
  let version: { extensionId: string; versionId: string };
  beforeEach(async () => {
    version = await seedVersion(sweeper.db, tenantId, { publisher: tenantId });
  });

  async function write(expiresAt: Date, installId = randomUUID()): Promise<string> {
    const draftId = randomUUID();
    await createInstallDraftStore(sweeper.db).create(tenantId, {
      draftId,
      installId,
      kind: 'install',
      digest: draftId,
      versionId: version.versionId,
      config: { a: 1 },
      secrets: { TOKEN: { sealed: 'sealed', keyId: 'k' } },
      replaceSecrets: true,
      reset: false,
      expiresAt,
    });
    return draftId;
  }

  it('lose their secrets once they have expired, say so for a day, and go', async () => {
    const good = await write(new Date(Date.now() + MINUTE_MS));
    const expired = await write(ago(MINUTE_MS));
    await write(ago(DAY_MS + MINUTE_MS));
    const applied = { tenant_id: tenantId, draft_id: randomUUID() };
    await sweeper.db('install_draft_applied').insert({ ...applied, applied_at: ago(DAY_MS + MINUTE_MS) });
    await sweeper.db('install_draft_applied').insert({ ...applied, draft_id: randomUUID() });

    expect(await sweeper.sweep('sweepDrafts', true)).toBe(4); // the oldest one counts for what it holds, too
    expect(await sweeper.sweep('sweepDrafts')).toBe(3);
    expect(await sweeper.sweep('sweepDrafts')).toBe(0);
    expect(await drafts().orderBy('expires_at')).toMatchObject([
      { draft_id: expired, config: null, secrets: null, digest: null },
      { draft_id: good, config: { a: 1 }, digest: good },
    ]);
    expect(await sweeper.db('install_draft_applied').where({ tenant_id: tenantId })).toHaveLength(1);
  });

  it('go when their install has ended', async () => {
    const installId = randomUUID();
    const operations = createInstallOperationStore(sweeper.db);
    await operations.open(tenantId, openInput({ installId, ...version }));
    expect(await sweeper.sweep('sweepDrafts')).toBe(0);
    await operations.end(tenantId, installId, { status: 'declined', steps: [] });
    // By a request that had read the install before its end.
    await write(new Date(Date.now() + 8 * DAY_MS), installId);
    expect(await sweeper.sweepThrice('sweepDrafts')).toEqual([1, 1, 0]);
    expect(await drafts()).toEqual([]);
  });
});

describe('API keys', () => {
  async function key(fields: { expires_at?: Date; revoked_at?: Date; created_by?: string }): Promise<string> {
    const { keyId, digest } = generateApiKey();
    const made = { keyId, digest, name: 'k', permissions: ['extension:read'], createdBy: 'test' } as const;
    await createApiKeyStore(sweeper.db).create(tenantId, made);
    await sweeper
      .db('api_key')
      .where({ key_id: keyId })
      .update({ created_by: 'test', ...fields });
    return keyId;
  }
  const left = () => sweeper.db('api_key').where({ tenant_id: tenantId }).pluck('key_id');
  const long = ago(90 * DAY_MS + MINUTE_MS);

  it('go ninety days after they were revoked or expired, those that made others after these', async () => {
    await key({ revoked_at: long });
    await key({ expires_at: long, revoked_at: ago(DAY_MS) });
    const maker = await key({ revoked_at: long });
    const made = await key({ revoked_at: long, created_by: maker });
    const stays = [
      await key({}),
      await key({ revoked_at: ago(89 * DAY_MS) }),
      await key({ revoked_at: long, created_by: 'starter' }),
      await key({ expires_at: new Date(Date.now() + DAY_MS) }),
    ];
    const needed = await key({ expires_at: long });
    stays.push(needed, await key({ created_by: needed }));
    expect(await sweeper.sweep('sweepApiKeys', true)).toBe(3);
    expect(await left()).toContain(made);
    expect(await sweeper.sweep('sweepApiKeys')).toBe(4);
    expect((await left()).toSorted()).toEqual(stays.toSorted());
    expect(await sweeper.sweep('sweepApiKeys')).toBe(0);
  });
});

describe('uploads', () => {
  const uploads = () => createUploadStore(sweeper.db);
  async function upload(expiresAt = new Date(Date.now() + DAY_MS)): Promise<string> {
    const uploadId = randomUUID();
    const announced = { filename: 'b', announcedSize: 1, createdBy: 'key' };
    await uploads().create(tenantId, { uploadId, expiresAt, ...announced });
    return uploadId;
  }
  async function publishing(quietMs: number): Promise<string> {
    const uploadId = await upload();
    await uploads().markReceived(tenantId, uploadId, { size: 1, sha256: '0'.repeat(64) });
    await uploads().open(tenantId, uploadId);
    const steps = pendingSteps(PUBLISH_STEPS).map((step) =>
      step.name === 'verify' ? { ...step, status: 'running' as const } : step,
    );
    await uploads().saveProgress(tenantId, uploadId, { status: 'verifying', steps, checks: [] });
    const row = sweeper.db('extension_upload').where({ upload_id: uploadId });
    await row.update({ updated_at: ago(quietMs) });
    return uploadId;
  }
  const find = (uploadId: string) => uploads().find(tenantId, uploadId);

  it('that nobody finalized are aborted an hour after they expired, and say so', async () => {
    const [open, justNow, expired] = [
      await upload(),
      await upload(ago(MINUTE_MS)),
      await upload(ago(DAY_MS)),
    ];
    expect(await sweeper.sweepThrice('sweepUploads')).toEqual([1, 1, 0]);
    expect(await find(expired)).toMatchObject({ status: 'aborted', error: { code: 'OPERATION_EXPIRED' } });
    for (const id of [open, justNow]) expect(await find(id)).toMatchObject({ status: 'uploading' });
  });

  it('go thirty days after they ended, however they did', async () => {
    const gone = [await upload(), await publishing(0)];
    await uploads().abort(tenantId, gone[0] ?? '');
    const manifest = seedManifest({ publisher: tenantId });
    const { versionId } = await createRegistryStore(sweeper.db).register(
      registrationOf(tenantId, manifest, { uploadId: gone[1] ?? '' }),
    );
    await uploads().end(tenantId, gone[1] ?? '', { status: 'published', versionId, steps: [], checks: [] });
    const rows = () => sweeper.db('extension_upload').where({ tenant_id: tenantId });
    await rows().update({ updated_at: ago(30 * DAY_MS + MINUTE_MS) });
    const [open, ended] = [await upload(), await upload()];
    await uploads().abort(tenantId, ended);
    await rows()
      .where({ upload_id: ended })
      .update({ updated_at: ago(29 * DAY_MS) });
    expect(await sweeper.sweepThrice('sweepUploads')).toEqual([2, 2, 0]);
    expect((await rows().pluck('upload_id')).toSorted()).toEqual([open, ended].toSorted());
    expect(await sweeper.db('extension_version').where({ version_id: versionId })).toHaveLength(1);
  });

  it('whose publish was terminated, or is unknown to Temporal, fail and say why; one that runs goes on', async () => {
    const [terminated, unknown, runs, recent] = [
      await publishing(HOUR_MS),
      await publishing(HOUR_MS),
      await publishing(HOUR_MS),
      await publishing(MINUTE_MS),
    ];
    const workflow = await sweeper.startWorkflow('publishBundle', publishWorkflowId(terminated));
    await sweeper.startWorkflow('publishBundle', publishWorkflowId(runs));
    expect(await sweeper.sweep('sweepPublishes', true)).toBe(1);
    await workflow.terminate();
    expect(await sweeper.sweepThrice('sweepPublishes')).toEqual([2, 2, 0]);
    expect(await find(terminated)).toMatchObject({
      status: 'failed',
      error: { code: 'OPERATION_LOST', message: expect.stringContaining('terminated') },
      steps: [{ name: 'verify', status: 'failed', error: { code: 'OPERATION_LOST' } }, {}, {}, {}],
    });
    expect(await find(unknown)).toMatchObject({ status: 'failed', error: { code: 'OPERATION_LOST' } });
    for (const id of [runs, recent]) expect(await find(id)).toMatchObject({ status: 'verifying' });
  });

  it('that had become a version when their workflow was lost are published', async () => {
    const uploadId = await publishing(HOUR_MS);
    const manifest = seedManifest({ publisher: tenantId });
    const { versionId } = await createRegistryStore(sweeper.db).register(
      registrationOf(tenantId, manifest, { uploadId }),
    );
    expect(await sweeper.sweep('sweepPublishes')).toBe(1);
    expect(await find(uploadId)).toMatchObject({
      status: 'published',
      versionId,
      steps: [{ status: 'done' }, {}, {}, {}],
    });
  });

  it('are left to a publish that begins while the sweep looks; one that comes later is told that it is too late', async () => {
    const uploadId = await publishing(HOUR_MS);
    const activities = createUploadActivities({
      uploads: uploads(),
      objects: sweeper.objects,
      keys: sweeper.keys,
    });
    const ref = { tenantId, uploadId, requestedBy: 'key' };
    const open = () => activities.openPublish({ ...ref, steps: pendingSteps(PUBLISH_STEPS) });
    sweeper.afterLook = async () => {
      await open();
    };
    expect(await sweeper.sweep('sweepPublishes')).toBe(0);
    expect(await find(uploadId)).toMatchObject({ status: 'verifying' });

    sweeper.afterLook = () => Promise.resolve();
    await sweeper
      .db('extension_upload')
      .where({ upload_id: uploadId })
      .update({ updated_at: ago(HOUR_MS) });
    expect(await sweeper.sweep('sweepPublishes')).toBe(1);
    await expect(open()).rejects.toMatchObject({ code: 'UPLOAD_CLOSED' });
  });

  it('that are over leave no bytes in staging, nor does a write that was cut off; those that are open keep theirs', async () => {
    const [open, aborted] = [await upload(), await upload()];
    await uploads().abort(tenantId, aborted);
    const stagingOf = (uploadId: string) => sweeper.keys.staging({ tenantId, uploadId, requestedBy: 'key' });
    const staged = [open, aborted, randomUUID()].map(stagingOf);
    const young = randomUUID();
    for (const key of [...staged, stagingOf(young)]) await sweeper.objects.put(key, new Uint8Array(1));
    const folder = path.dirname(path.join(sweeper.folder, stagingOf(open)));
    const partial = path.join(folder, `.${open}.partial`);
    await writeFile(partial, 'x');
    for (const file of [...staged.map((key) => path.join(sweeper.folder, key)), partial]) {
      await utimes(file, ago(2 * HOUR_MS), ago(2 * HOUR_MS));
    }
    await utimes(partial, ago(27 * HOUR_MS), ago(27 * HOUR_MS)); // an upload in parts may take a day
    expect(await sweeper.sweepThrice('sweepObjects')).toEqual([3, 3, 0]);
    expect((await readdir(folder)).sort()).toEqual([open, young].sort());
  });
});
