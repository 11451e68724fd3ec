import type { Site, Worker } from './site.ts';

/** Makes a key, uses it, takes it back, and tries it once more. */
export function createKeyKeeper({ record, tenants }: Site): Worker {
  const tenant = tenants[tenants.length - 1] ?? tenants[0];
  return {
    name: 'key-keeper',
    pauseMs: 1_500,
    async step(_random, text) {
      const mark = `${tenant.name}.${text}`;
      const route = '/api/v1/api-keys';
      const json = { name: mark, permissions: ['extension:read'] };
      const about = { tenantId: tenant.tenantId };
      const made = await record.send({ kind: 'key', tenant, method: 'POST', route, mark, about, json });
      if (made.status !== 201) return;
      const { id, key } = made.answer as { id: string; key: string };
      const use = (when: string) =>
        record.send({
          kind: 'read',
          tenant: { tenantId: tenant.tenantId, key },
          method: 'GET',
          route: '/api/v1/installs',
          mark,
          about: { keyId: id, when },
        });
      await use('made');
      const revoke = { kind: 'revoke', tenant, method: 'DELETE', route: `${route}/${id}`, mark } as const;
      const revoked = await record.send({ ...revoke, about: { keyId: id } });
      await use(revoked.status === 204 ? 'revoked' : 'perhaps revoked');
    },
  };
}
