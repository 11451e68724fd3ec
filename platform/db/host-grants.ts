import type { Knex } from 'knex';
import type { CapabilityName, CapabilityScope } from '../../core/capabilities.ts';
import { PlatformError } from '../../core/errors.ts';
import { timeOfUuid } from '../../core/ids.ts';

/** For whom a host API is asked: grants are a version's, and end with the execution. */
export interface HostCaller {
  tenantId: string;
  installId: string;
  versionId: string;
  executionId: string;
}

/** A row of HOST_PERMISSION. */
export interface HostPermission {
  running: boolean;
  scope: CapabilityScope | null;
}

/** Columns of what a caller may do with `:capability`, in whatever statement asks. */
export const HOST_PERMISSION = `
  exists (select from extension_execution_log
           where tenant_id = :tenantId and started_at = :startedAt and execution_id = :executionId
             and install_id = :installId and status = 'running') as running,
  (select case when n.grants is null
            then (select scope from tenant_extension_grant
                   where tenant_id = :tenantId and install_id = :installId and version_id = :versionId
                     and capability = :capability)
            else (select g->'scope' from jsonb_array_elements(n.grants) g where g->>'capability' = :capability) end
     -- What a version on its way will be granted, which is probed with it.
     from (select) as one left join tenant_extension_install_change n
       on n.tenant_id = :tenantId and n.install_id = :installId and n.to_version_id = :versionId and not n.switched
    where not exists (select from tenant
                       where tenant_id = :tenantId and :capability = any(capabilities_off))) as scope`;

export type HostGrantStore = ReturnType<typeof createHostGrantStore>;

/** What an execution in flight may do. */
export function createHostGrantStore(db: Knex) {
  return {
    /** The scope of the caller's grant. Throws EXECUTION_ENDED, CAPABILITY_NOT_GRANTED. */
    async scopeOf(caller: HostCaller, capability: CapabilityName): Promise<CapabilityScope> {
      const asked = db.raw<{ rows: [HostPermission] }>(`select ${HOST_PERMISSION}`, {
        ...caller,
        capability,
        startedAt: startOf(caller),
      });
      const { rows } = await asked.options({ name: 'scope-of' });
      const { running, scope } = rows[0];
      if (!running) throw executionEnded();
      if (!scope) throw new PlatformError('CAPABILITY_NOT_GRANTED', `${capability} is not granted`);
      return scope;
    },
  };
}

/** When the execution began, which its id says. Throws EXECUTION_ENDED for an id that is none of ours. */
export function startOf({ executionId }: HostCaller): Date {
  const startedAt = timeOfUuid(executionId);
  if (!startedAt) throw executionEnded();
  return startedAt;
}

export function executionEnded(): PlatformError {
  return new PlatformError('EXECUTION_ENDED', 'the execution has ended, or was never begun');
}
