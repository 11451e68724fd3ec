import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { readManifestSchema } from '../../core/api/manifest-schema.ts';
import { openRoutes } from '../../core/api/routes.ts';
import { manifestJsonSchema } from '../../core/manifest/json-schema.ts';
import { seedVersion } from '../support/seed.ts';
import { problem, startApi, type TestApi } from '../support/start-api.ts';

let api: TestApi;
let key: string;
let extension: string;
let extensionId: string;
beforeAll(async () => {
  api = await startApi('api_registry');
  const tenant = await api.tenant();
  ({ key } = tenant);
  ({ extensionId } = await seedVersion(api.db, tenant.tenantId, { publisher: tenant.tenantId }));
  extension = `${tenant.tenantId}.sample`;
});
afterAll(() => api.close());

describe('the registry', () => {
  it('shows extensions, versions, manifest and permissions to every tenant', async () => {
    const { key: other } = await api.tenant();
    for (const ref of [extension, extensionId]) {
      const { json } = await api.request('GET', `/api/v1/extensions/${ref}`, { key: other });
      expect(json).toMatchObject({ extensionId, extension });
    }
    const list = await api.request('GET', `/api/v1/extensions/${extension}/versions`, { key: other });
    expect(list.json).toMatchObject({ items: [{ version: '1.0.0', status: 'published' }] });
    const { json } = await api.request('GET', `/api/v1/extensions/${extension}/versions/1.0.0`, {
      key: other,
    });
    expect(json).toMatchObject({ manifest: { name: 'sample' }, signatures: [] });
    expect(json['permissions']).toEqual(
      expect.arrayContaining([expect.objectContaining({ capability: 'storage.kv', optional: false })]),
    );
    expect(JSON.stringify(json)).not.toContain('uploadId');
  });

  it.each(['/acme.nothing', '/%00', '/acme.nothing/versions', '/../x'])(
    'has nothing at %s',
    async (route) => {
      const answer = await api.request('GET', `/api/v1/extensions${route}`, { key });
      expect(answer).toMatchObject(problem(404, 'NOT_FOUND'));
    },
  );
});

describe('what is open', () => {
  it.each(Object.entries(openRoutes))(
    '%s is there for strangers, browsers among them',
    async (_name, route) => {
      const answer = await api.request(route.method, route.path);
      expect(answer.status).toBe(200);
      expect(answer.headers.get('access-control-allow-origin')).toBe('*');
      expect(answer.headers.get('cache-control')).toBe('public, max-age=3600');
      expect(route.answers[200].safeParse(JSON.parse(answer.text)).success).toBe(true);
    },
  );

  it('the schema of manifests is the one that publishing goes by', async () => {
    const answer = await api.request('GET', readManifestSchema.path);
    expect(answer.headers.get('content-type')).toContain('application/schema+json');
    expect(JSON.parse(answer.text)).toEqual(JSON.parse(JSON.stringify(manifestJsonSchema())));
  });
});
