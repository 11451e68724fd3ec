import type { Knex } from 'knex';
import { fetchPage, type Page, type PageRequest } from './page.ts';

export interface Tenant {
  tenantId: string;
  name: string;
  createdAt: Date;
}

interface TenantRow {
  tenant_id: string;
  name: string;
  created_at: Date;
}

export type TenantStore = ReturnType<typeof createTenantStore>;

export function createTenantStore(db: Knex) {
  const tenants = (): Knex.QueryBuilder => db('tenant').select('tenant_id', 'name', 'created_at');

  return {
    async create({ tenantId, name }: Pick<Tenant, 'tenantId' | 'name'>): Promise<Tenant> {
      const [row] = (await db('tenant').insert({ tenant_id: tenantId, name }).returning('*')) as [TenantRow];
      return toTenant(row);
    },

    /** For seeding: a tenant that is there already stays as it is. */
    async ensure({ tenantId, name }: Pick<Tenant, 'tenantId' | 'name'>): Promise<void> {
      await db('tenant').insert({ tenant_id: tenantId, name }).onConflict('tenant_id').ignore();
    },

    async find(tenantId: string): Promise<Tenant | undefined> {
      const row = (await tenants().where({ tenant_id: tenantId }).first()) as TenantRow | undefined;
      return row && toTenant(row);
    },

    list(page: PageRequest): Promise<Page<Tenant>> {
      return fetchPage(db, tenants(), { time: 'created_at', id: 'tenant_id' }, page, toTenant);
    },
  };
}

function toTenant(row: TenantRow): Tenant {
  return { tenantId: row.tenant_id, name: row.name, createdAt: row.created_at };
}
