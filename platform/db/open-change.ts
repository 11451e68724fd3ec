import type { Knex } from 'knex';
import { PlatformError } from '../../core/errors.ts';
import type { InstallOperation, InstallStatus, Step, VersionChangeKind } from '../../core/progress.ts';
import type { InstallKey } from './switch-version.ts';

/** Statuses in which an install has a version that another can take the place of. What it is stays the same. */
const CHANGEABLE: readonly InstallStatus[] = ['active', 'paused', 'disabled'];

/** An install's row, locked. */
export interface LockedInstall extends InstallKey {
  status: InstallStatus;
  operation: InstallOperation | null;
  active_version_id: string | null;
  pending_version_id: string | null;
  pending_digest: string | null;
  waiting_for: 'consent' | 'settings' | null;
}

export interface OpenChange {
  kind: VersionChangeKind;
  versionId: string;
  /** Of the request; a repeat has the same. */
  digest: string;
  operation: InstallOperation;
  steps: Step[];
}

/** Throws NOT_FOUND. */
export async function lockInstall(trx: Knex.Transaction, own: InstallKey): Promise<LockedInstall> {
  const row = (await trx('tenant_extension_install').where(own).forUpdate().first()) as
    LockedInstall | undefined;
  if (!row) throw new PlatformError('NOT_FOUND', 'there is no such install');
  return row;
}

/** Throws if the change cannot follow on what the install is. */
export function refuseUnfit(row: LockedInstall, { kind, versionId, digest }: OpenChange): void {
  if (row.operation) throw ended(row);
  if (!CHANGEABLE.includes(row.status)) {
    throw new PlatformError('STATE_CONFLICT', `an install that is ${row.status} has no version to change`);
  }
  if (row.active_version_id === versionId) {
    throw new PlatformError('STATE_CONFLICT', 'the install has that version already');
  }
  if (row.waiting_for === null) return;
  const isSame = kind === 'upgrade' && row.pending_version_id === versionId && row.pending_digest === digest;
  if (!isSame) {
    throw new PlatformError(
      'STATE_CONFLICT',
      `another version waits for ${row.waiting_for}; decline it first`,
    );
  }
}

/** Throws if the version must not serve, or nothing is kept of it to go back to. */
export async function refuseUnusable(
  trx: Knex.Transaction,
  own: InstallKey,
  kind: VersionChangeKind,
  versionId: string,
): Promise<void> {
  const version = (await trx('extension_version as v')
    .join('tenant_extension_install as i', 'i.extension_id', 'v.extension_id')
    .where({ 'i.tenant_id': own.tenant_id, 'i.install_id': own.install_id, 'v.version_id': versionId })
    .first('v.status')) as { status: string } | undefined;
  if (version?.status !== 'published') {
    throw new PlatformError('STATE_CONFLICT', 'the version is not published, or was revoked');
  }
  if (kind === 'upgrade') return;
  const kept = (await trx('tenant_extension_install_previous')
    .where({ ...own, version_id: versionId })
    .whereRaw('(expires_at is null or expires_at > now())')
    .first('version_id')) as unknown;
  if (!kept) throw new PlatformError('STATE_CONFLICT', 'the install keeps that version no longer');
}

/** Why a run may not write to the row: another owns it, or nobody. */
export function ended({ operation, status }: LockedInstall): PlatformError {
  if (!operation) return new PlatformError('STATE_CONFLICT', `the install is ${status} by now`);
  return new PlatformError(
    'OPERATION_RUNNING',
    `another operation on this install is running: ${operation.kind}`,
    { details: { operation: operation.kind } },
  );
}
