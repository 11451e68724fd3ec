import pg from 'pg';
import type { TemporalConnection } from '../../platform/temporal/client.ts';
import { runningWorkflows, type RunningWorkflow } from '../storm/temporal.ts';
import type { RunningPlatform } from '../support/platform.ts';

/** An install with the ids of the versions that the rows around it belong to. */
export interface InstallEvidence {
  tenantId: string;
  extensionId: string;
  installId: string;
  status: string;
  active: string | null;
  pending: string | null;
  waitingFor: string | null;
  operation: { kind: string; workflowId: string } | null;
  error: { code: string; message: string } | null;
  restoresTo: string | null;
  purgeAt: Date | null;
  /** Of the version that it serves or served last. */
  version: string | null;
  greeting: string | null;
  configured: string[];
  granted: string[];
  previous: string[];
  secrets: number;
  drafts: number;
  changes: number;
  /** Records and executions. */
  data: number;
}

export interface ModelEvidence {
  installs: InstallEvidence[];
  running: RunningWorkflow[];
}

const OF_INSTALL = 'where tenant_id = i.tenant_id and install_id = i.install_id';
const INSTALLS = `
  select i.tenant_id as "tenantId", i.extension_id as "extensionId", i.install_id as "installId", i.status,
         i.active_version_id as active, i.pending_version_id as pending, i.waiting_for as "waitingFor", i.operation, i.error,
         i.restores_to as "restoresTo", i.purge_at as "purgeAt", v.version,
         (select config->>'greeting' from tenant_extension_install_config ${OF_INSTALL} and version_id = i.active_version_id) as greeting,
         array(select version_id::text from tenant_extension_install_config ${OF_INSTALL}) as configured,
         array(select distinct version_id::text from tenant_extension_grant ${OF_INSTALL}) as granted,
         array(select version_id::text from tenant_extension_install_previous ${OF_INSTALL}) as previous,
         (select count(*)::int from tenant_extension_install_secrets ${OF_INSTALL}) as secrets,
         (select count(*)::int from install_draft ${OF_INSTALL} and expires_at > now()) as drafts,
         (select count(*)::int from tenant_extension_install_change ${OF_INSTALL}) as changes,
         (select count(*)::int from extension_storage_record ${OF_INSTALL})
           + (select count(*)::int from extension_execution_log ${OF_INSTALL}) as data
    from tenant_extension_install i
    left join extension_version v on v.version_id = coalesce(i.active_version_id, i.pending_version_id)
   where i.tenant_id = any($1)`;

export async function gatherEvidence(
  platform: RunningPlatform,
  temporal: TemporalConnection,
  tenants: readonly string[],
): Promise<ModelEvidence> {
  const db = new pg.Client({ connectionString: platform.local.databaseUrl });
  await db.connect();
  try {
    const { rows: installs } = await db.query<InstallEvidence>(INSTALLS, [tenants]);
    return { installs, running: await runningWorkflows(temporal) };
  } finally {
    await db.end();
  }
}
