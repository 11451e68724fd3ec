import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import { bundleOf, createTenant, expectStatus, install, publish } from '../support/extensions.ts';
import { startPlatform, type Answer, type TestPlatform } from '../support/platform.ts';

const WAIT = { prefer: 'wait=60' };

describe('an extension whose calls share an instance', () => {
  let platform: TestPlatform;
  let admin: string;

  beforeAll(async () => {
    platform = await startPlatform();
    ({ admin } = platform.local.keys);
    const bundle = await bundleOf('hostile', {
      name: 'counting',
      instance: 'shared',
      settings: { type: 'object', properties: { step: { type: 'integer', default: 1 } } },
    });
    expectStatus(await publish(platform, admin, bundle), 201);
  }, 900_000);
  afterAll(() => platform.close());

  const call = (route: string, key = admin): Promise<Answer> =>
    platform.request('GET', `/api/ext/alga.counting${route}`, { key });
  const count = async (key?: string): Promise<unknown> =>
    z.object({ calls: z.int() }).parse((await call('/state', key)).json).calls;

  it('is shown as one before it is installed, and waits until a person agrees', async () => {
    const version = await platform.request('GET', '/api/v1/extensions/alga.counting/versions/1.0.0', {
      key: admin,
    });
    const { permissions } = z.object({ permissions: z.array(z.looseObject({})) }).parse(version.json);
    expect(permissions).toContainEqual(
      expect.objectContaining({ capability: 'instance.shared', always: false, optional: false }),
    );
    const asked = await install(platform, admin, { extension: 'alga.counting', consent: ['log.emit'] });
    expect(asked).toMatchObject({ status: 202, json: { pending: { waitingFor: 'consent' } } });
    const { installId } = z.object({ installId: z.uuid() }).parse(asked.json);
    const granted = await platform.request('POST', `/api/v1/installs/${installId}/consent`, {
      key: admin,
      headers: WAIT,
      json: { decision: 'grant' },
    });
    expect(granted).toMatchObject({
      status: 201,
      json: { status: 'active', grants: [{ capability: 'instance.shared', scope: {} }] },
    });
  });

  it('finds what its calls left, and nothing of its probe', async () => {
    expect([await count(), await count(), await count()]).toEqual([1, 2, 3]);
  });

  it('finds nothing of another tenant', async () => {
    const other = await createTenant(platform, 'Other');
    const consent = ['instance.shared'];
    expectStatus(await install(platform, other.key, { extension: 'alga.counting', consent }), 201);
    expect([await count(other.key), await count(other.key), await count()]).toEqual([1, 2, 4]);
  });

  it('begins anew after a call that failed, and with another config', async () => {
    expect((await call('/throw')).status).toBe(502);
    expect([await count(), await count()]).toEqual([1, 2]);
    const installs = await platform.request('GET', '/api/v1/installs', { key: admin });
    const { items } = z
      .object({ items: z.array(z.object({ installId: z.uuid(), extension: z.string() })) })
      .parse(installs.json);
    const { installId = '' } = items.find(({ extension }) => extension === 'alga.counting') ?? {};
    const changed = await platform.request('PUT', `/api/v1/installs/${installId}/config`, {
      key: admin,
      headers: WAIT,
      json: { step: 2 },
    });
    expectStatus(changed, 200);
    expect([await count(), await count()]).toEqual([1, 2]);
  });
});
