import type { Knex } from 'knex';
import type { CapabilityName } from '../../core/capabilities.ts';
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

    /** Capabilities that are switched off for the tenant; undefined if there is none. */
    async capabilitiesOff(tenantId: string): Promise<CapabilityName[] | undefined> {
      const row = (await db('tenant').where({ tenant_id: tenantId }).first('capabilities_off')) as
        { capabilities_off: CapabilityName[] } | undefined;
      return row?.capabilities_off;
    },

    /** Switches these off, and all others on, from the next call and the next host call on. Answers whether there is such a tenant. */
    async switchCapabilitiesOff(tenantId: string, names: readonly CapabilityName[]): Promise<boolean> {
      const updated = await db('tenant')
        .where({ tenant_id: tenantId })
        .update({ capabilities_off: [...names] });
      return updated > 0;
    },

    list(page: PageRequest): Promise<Page<Tenant>> {
      return fetchPage(db, tenants(), { time: 'created_at', id: 'tenant_id' }, page, toTenant);
    },
  };
}

function toTenant(row: TenantRow): Tenant {
  return { tenantId: row.tenant_id, name: row.name, createdAt: row.created_at };
}
