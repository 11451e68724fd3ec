import { randomBytes, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { TENANT_QUOTAS } from '../../core/quotas.ts';
import { createInstallDraftStore, type InstallDraft } from '../../platform/db/install-drafts.ts';
import { installSample, problem, startApi, type ApiAnswer, type TestApi } from '../support/start-api.ts';

const AT_ONCE = 50;
/** How much of the quota is left before they come. */
const LEFT = 3;

let api: TestApi;
let tenantId: string;
let key: string;
beforeAll(async () => {
  api = await startApi('tenant_quotas');
});
afterAll(() => api.close());
beforeEach(async () => {
  ({ tenantId, key } = await api.tenant());
});

/** Sends so many requests at once and answers how many got each status. */
async function race(send: (at: number) => Promise<ApiAnswer>): Promise<Record<number, number>> {
  const answers = await Promise.all(Array.from({ length: AT_ONCE }, (_none, at) => send(at)));
  const refused = answers.find(({ status }) => status === 429);
  expect(refused).toMatchObject(problem(429, 'QUOTA_EXCEEDED'));
  expect(refused?.headers.get('retry-after')).not.toBeNull();
  const counts: Record<number, number> = {};
  for (const { status } of answers) counts[status] = (counts[status] ?? 0) + 1;
  return counts;
}

const rowsOf = async (table: string): Promise<number> =>
  (await api.db(table).where({ tenant_id: tenantId })).length;

describe('open uploads', () => {
  const initiate = (size = 1, by = key) =>
    api.request('POST', '/api/ext-bundles/initiate-upload', { key: by, json: { filename: 'b', size } });
  const seed = (count: number, size: number) =>
    api.db('extension_upload').insert(
      Array.from({ length: count }, () => ({
        tenant_id: tenantId,
        upload_id: randomUUID(),
        created_by: 'seed',
        filename: 'b',
        announced_size: size,
        expires_at: new Date(Date.now() + 60_000),
      })),
    );

  it('are as many as the quota says however many are begun at once, and another tenant feels nothing of it', async () => {
    await seed(TENANT_QUOTAS.openUploads - LEFT, 1);
    expect(await race(() => initiate())).toEqual({ 201: LEFT, 429: AT_ONCE - LEFT });
    expect(await rowsOf('extension_upload')).toBe(TENANT_QUOTAS.openUploads);
    const other = await api.tenant();
    expect((await initiate(1, other.key)).status).toBe(201);
  });

  it('have no more bytes in all than the quota says, and one that is aborted makes room', async () => {
    const size = 100 * 1024 * 1024;
    const fit = Math.floor(TENANT_QUOTAS.openUploadBytes / size);
    await seed(fit - LEFT, size);
    expect(await race(() => initiate(size))).toEqual({ 201: LEFT, 429: AT_ONCE - LEFT });
    const refused = await initiate(size);
    expect(refused.json['detail']).toContain(String(TENANT_QUOTAS.openUploadBytes));
    const small = await initiate(1);
    expect(small.status).toBe(201);
    await api.db('extension_upload').where({ tenant_id: tenantId }).limit(1).update({ status: 'aborted' });
    expect((await initiate(size)).status).toBe(201);
  });
});

describe('drafts', () => {
  it('are as many as the quota says however many come at once; those that expired do not count', async () => {
    const { versionId } = await installSample(api, tenantId);
    const row = (expiresAt: Date) => ({
      tenant_id: tenantId,
      draft_id: randomUUID(),
      install_id: randomUUID(),
      version_id: versionId,
      expires_at: expiresAt,
    });
    const rows = (count: number, expiresAt: Date) => Array.from({ length: count }, () => row(expiresAt));
    await api.db('install_draft').insert(rows(TENANT_QUOTAS.drafts - LEFT, new Date(Date.now() + 60_000)));
    await api.db('install_draft').insert(rows(10, new Date(Date.now() - 60_000)));
    // Two gateways: neither knows of what comes to the other.
    const stores = [createInstallDraftStore(api.db), createInstallDraftStore(api.db)] as const;
    const created = await Promise.allSettled(
      Array.from({ length: AT_ONCE }, (_none, at) =>
        stores[at % 2 === 0 ? 0 : 1].create(tenantId, draftOf(versionId)),
      ),
    );
    expect(created.filter(({ status }) => status === 'fulfilled')).toHaveLength(LEFT);
    for (const one of created) {
      if (one.status === 'rejected') expect(one.reason).toMatchObject({ code: 'QUOTA_EXCEEDED' });
    }
    expect(await rowsOf('install_draft')).toBe(TENANT_QUOTAS.drafts + 10);
    const other = await api.tenant();
    expect(await stores[0].create(other.tenantId, draftOf(versionId))).toBe(true);
  });

  it('over the quota are refused by the routes with what to do, and nothing has begun', async () => {
    const { installId, versionId } = await installSample(api, tenantId);
    const drafts = createInstallDraftStore(api.db);
    for (let n = 0; n < TENANT_QUOTAS.drafts; n += 1) await drafts.create(tenantId, draftOf(versionId));
    const begun = api.workflows.configures.length;
    const answer = await api.request('DELETE', `/api/v1/installs/${installId}/config`, { key });
    expect(answer).toMatchObject(problem(429, 'QUOTA_EXCEEDED'));
    expect(answer.json['detail']).toContain('await consent');
    expect(api.workflows.configures).toHaveLength(begun);
  });
});

describe('API keys', () => {
  const make = (maker: string) =>
    api.request('POST', '/api/v1/api-keys', {
      key: maker,
      json: { name: 'k', permissions: ['extension:read'] },
    });
  const seed = (count: number, fields: Record<string, unknown> = {}) =>
    api.db('api_key').insert(
      Array.from({ length: count }, () => ({
        id: randomUUID(),
        key_id: randomBytes(8).toString('hex'),
        tenant_id: tenantId,
        name: 'seed',
        digest: randomBytes(32),
        permissions: ['extension:read'],
        created_by: 'seed',
        ...fields,
      })),
    );

  it.each([
    ["a tenant's admin", ['tenant:admin', 'extension:read']],
    ["an operator in the operator's own tenant", ['platform:operate', 'extension:read']],
  ] as const)(
    'of %s are as many as the quota says; revoked and expired ones do not count',
    async (_who, has) => {
      const maker = await api.key(tenantId, has);
      const before = await rowsOf('api_key');
      await seed(TENANT_QUOTAS.apiKeys - LEFT - before);
      await seed(5, { revoked_at: new Date() });
      await seed(5, { expires_at: new Date(Date.now() - 1000) });
      expect(await race(() => make(maker))).toEqual({ 201: LEFT, 429: AT_ONCE - LEFT });
      await api.db('api_key').where({ tenant_id: tenantId, name: 'seed' }).update({ revoked_at: new Date() });
      expect((await make(maker)).status).toBe(201);
    },
  );
});

function draftOf(versionId: string): InstallDraft {
  const draftId = randomUUID();
  return {
    draftId,
    installId: randomUUID(),
    kind: 'configure',
    digest: draftId,
    versionId,
    replaceSecrets: false,
    reset: false,
    expiresAt: new Date(Date.now() + 60_000),
  };
}
