import { existsSync, readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import pg from 'pg';
import { SecretValue } from '../../core/secret-value.ts';
import { openSecret } from '../../platform/secrets/open-secret.ts';
import type { TemporalConnection } from '../../platform/temporal/client.ts';
import { gatherEvidence as gatherModelEvidence, type ModelEvidence } from '../model/evidence.ts';
import type { RunningPlatform } from '../support/platform.ts';
import type { Disturbed } from './disturb.ts';
import { readProcesses, descendantsOf, openFilesOf, type ProcessEntry } from './process-table.ts';
import type { Sent } from './record.ts';
import type { Swept } from './settle.ts';
import { readSecrets, runningWorkflows, type RunningWorkflow } from './temporal.ts';

export interface ExecutionRow {
  tenantId: string;
  requestId: string;
  executionId: string;
  status: string;
  httpStatus: number | null;
  errorCode: string | null;
  startedAt: Date;
}
export interface InstallRow {
  tenantId: string;
  installId: string;
  extension: string;
  status: string;
  operation: unknown;
  waitingFor: string | null;
  error: { code: string; message: string } | null;
  configVersion: number;
  secretsVersion: number;
  /** Of the version that serves or is on its way. */
  config: Record<string, unknown> | null;
}
export interface RecordRow {
  tenantId: string;
  installId: string;
  namespace: string;
  key: string;
  value: string;
}
export interface UsageRow {
  installId: string;
  namespace: string;
  keys: number;
  bytes: number;
}
export interface DraftRow {
  tenantId: string;
  installId: string;
  kind: string;
  config: Record<string, unknown> | null;
  ageMs: number;
  expired: boolean;
}
export interface UploadRow {
  tenantId: string;
  uploadId: string;
  filename: string;
  status: string;
  error: { code: string; message: string } | null;
}
export interface RoleState {
  name: string;
  pid: number;
  residentBytes: number;
  openFiles: number | undefined;
}

/** Everything the invariants are checked against: what was sent and answered, and what is there after it. */
export interface Evidence {
  sent: readonly Sent[];
  /** Of the installs that are led through their lives, apart: what was asked for, and what there is. */
  led: { sent: readonly Sent[] } & ModelEvidence;
  disturbed: readonly Disturbed[];
  executions: ExecutionRow[];
  installs: InstallRow[];
  records: RecordRow[];
  usage: UsageRow[];
  drafts: DraftRow[];
  /** Ids of the changes that were made. */
  applied: string[];
  uploads: UploadRow[];
  versions: { uploadId: string; version: string }[];
  tenants: { tenantId: string; name: string }[];
  keys: { id: string; tenantId: string; name: string; revoked: boolean }[];
  /** Opened with the runner's key. */
  secrets: { tenantId: string; installId: string; name: string; value: string }[];
  running: RunningWorkflow[];
  /** Files of the object store below `staging/`. */
  staged: { file: string; ageMs: number }[];
  roles: RoleState[];
  /** Children that were seen during the storm, live, and belong to no process of the platform any more. */
  orphans: ProcessEntry[];
  /** What kept the platform from coming to rest. */
  noise: string[];
  /** By housekeeping, after the storm. */
  swept: Swept;
}

export interface EvidenceOptions {
  platform: RunningPlatform;
  temporal: TemporalConnection;
  sent: readonly Sent[];
  disturbed: readonly Disturbed[];
  noise: string[];
  swept: Swept;
  orphans: ProcessEntry[];
}

export async function gatherEvidence(options: EvidenceOptions): Promise<Evidence> {
  const { platform, temporal, sent, ...given } = options;
  const ofLed = sent.filter(isLed);
  const tenants = [...new Set(ofLed.map(({ tenantId }) => tenantId))];
  const { dataDir } = platform;
  const db = new pg.Client({ connectionString: platform.local.databaseUrl });
  await db.connect();
  const all = async <Row extends object>(sql: string): Promise<Row[]> => (await db.query<Row>(sql)).rows;
  try {
    return {
      ...given,
      sent: sent.filter((one) => !isLed(one)),
      led: { sent: ofLed, ...(await gatherModelEvidence(platform, temporal, tenants)) },
      executions: await all<ExecutionRow>(
        `select tenant_id as "tenantId", request_id as "requestId", execution_id as "executionId", status,
                http_status as "httpStatus", error_code as "errorCode", started_at as "startedAt"
           from extension_execution_log where request_id like 'storm-%'`,
      ),
      installs: await all<InstallRow>(
        `select i.tenant_id as "tenantId", i.install_id as "installId", r.publisher_slug || '.' || r.name as extension,
                i.status, i.operation, i.waiting_for as "waitingFor", i.error, i.config_version as "configVersion",
                i.secrets_version as "secretsVersion", c.config
           from tenant_extension_install i
           join extension_registry r using (extension_id)
           left join tenant_extension_install_config c on c.tenant_id = i.tenant_id and c.install_id = i.install_id
            and c.version_id = coalesce(i.active_version_id, i.pending_version_id)`,
      ),
      records: await all<RecordRow>(
        `select tenant_id as "tenantId", install_id as "installId", namespace, key, convert_from(value, 'UTF8') as value
           from extension_storage_record`,
      ),
      usage: await all<UsageRow>(
        `select install_id as "installId", namespace, keys, bytes::int from extension_storage_usage`,
      ),
      drafts: await all<DraftRow>(
        `select tenant_id as "tenantId", install_id as "installId", kind, config, expires_at <= now() as expired,
                (extract(epoch from now() - created_at) * 1000)::int as "ageMs" from install_draft`,
      ),
      applied: (await all<{ id: string }>('select draft_id as id from install_draft_applied')).map(
        ({ id }) => id,
      ),
      uploads: await all<UploadRow>(
        `select tenant_id as "tenantId", upload_id as "uploadId", filename, status, error from extension_upload`,
      ),
      versions: await all(`select upload_id as "uploadId", version from extension_version`),
      tenants: await all(`select tenant_id as "tenantId", name from tenant`),
      keys: await all(
        `select id, tenant_id as "tenantId", name, revoked_at is not null as revoked from api_key`,
      ),
      secrets: await openSecrets(dataDir, await all<SealedRow>(SEALED)),
      running: await runningWorkflows(temporal),
      staged: stagedIn(path.join(dataDir, 'objects')),
      roles: rolesOf(platform.processes()),
    };
  } finally {
    await db.end();
  }
}

function isLed({ about }: Sent): boolean {
  return about['led'] !== undefined;
}

function stagedIn(objects: string): Evidence['staged'] {
  const staging = path.join(objects, 'staging');
  if (!existsSync(staging)) return []; // a store may remove a folder with what was last in it
  return readdirSync(staging, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => {
      const file = path.join(parentPath, name);
      return { file, ageMs: Date.now() - statSync(file).mtimeMs };
    });
}

interface SealedRow {
  tenantId: string;
  installId: string;
  name: string;
  sealed: string;
}
const SEALED = `select tenant_id as "tenantId", install_id as "installId", name, sealed
                  from tenant_extension_install_secrets`;

function openSecrets(dataDir: string, rows: SealedRow[]): Promise<Evidence['secrets']> {
  const key = new SecretValue(readSecrets(dataDir).secretsSealing.privateKey);
  return Promise.all(
    rows.map(async ({ sealed, ...binding }) => ({
      ...binding,
      value: (await openSecret(key, binding, sealed)).reveal(),
    })),
  );
}

function rolesOf(processes: Record<string, number>): RoleState[] {
  const table = readProcesses();
  return Object.entries(processes).flatMap(([name, pid]) => {
    const entry = table.find((one) => one.pid === pid);
    return entry ? [{ name, pid, residentBytes: entry.residentBytes, openFiles: openFilesOf(pid) }] : [];
  });
}

/** Of the children seen, those that live and whose parents the platform has no more. `seen` is by pid and start. */
export function orphansOf(
  seen: ReadonlyMap<string, ProcessEntry>,
  processes: Record<string, number>,
  identityOf: (pid: number) => string | undefined,
): ProcessEntry[] {
  const table = readProcesses();
  const owned = new Set(
    Object.values(processes).flatMap((pid) => descendantsOf(pid, table).map((child) => child.pid)),
  );
  return [...seen].flatMap(([name, entry]) =>
    name === `${entry.pid}/${identityOf(entry.pid) ?? ''}` && !owned.has(entry.pid) ? [entry] : [],
  );
}
