import type { Knex } from 'knex';
import { PlatformError } from '../../core/errors.ts';
import {
  INSTALL_ENDED,
  type FailureReason,
  type InstallOperation,
  type InstallStatus,
  type Step,
} from '../../core/progress.ts';
import { showSteps, type ShownSteps } from './show-steps.ts';

/** How long an uninstalled install can be restored. */
const GRACE = '7 days';

interface Opening {
  operation: InstallOperation;
  from: readonly InstallStatus[];
  steps: Step[];
}

interface LifecycleRow {
  status: InstallStatus;
  operation: InstallOperation | null;
}

export type InstallLifecycleStore = ReturnType<typeof createInstallLifecycleStore>;

/**
 * What operations write of an install that is there. The row is that of one run at a time, whose id it names: what another run still
 * writes changes nothing, and a repeat neither. Errors: NOT_FOUND, OPERATION_RUNNING, STATE_CONFLICT.
 */
export function createInstallLifecycleStore(db: Knex) {
  const row = (tenantId: string, installId: string): Knex.QueryBuilder =>
    db('tenant_extension_install').where({ tenant_id: tenantId, install_id: installId });

  const ownedBy = (tenantId: string, installId: string, runId: string): Knex.QueryBuilder =>
    row(tenantId, installId).whereRaw("operation->>'runId' = ?", [runId]);

  async function refusal(tenantId: string, installId: string, what: string): Promise<PlatformError> {
    const found = (await row(tenantId, installId).first('status', 'operation')) as LifecycleRow | undefined;
    if (!found) return new PlatformError('NOT_FOUND', 'there is no such install');
    const { status, operation } = found;
    if (!operation)
      return new PlatformError('STATE_CONFLICT', `an install that is ${status} cannot be ${what}`);
    return new PlatformError(
      'OPERATION_RUNNING',
      `another operation on this install is running: ${operation.kind}`,
      {
        details: { operation: operation.kind },
      },
    );
  }

  return {
    /** Takes the row for an operation, and answers the version that it serves or served last. */
    async open(
      tenantId: string,
      installId: string,
      { operation, from, steps }: Opening,
    ): Promise<{ versionId: string }> {
      const [opened] = (await row(tenantId, installId)
        .whereIn('status', from)
        .whereRaw("(operation is null or operation->>'runId' = ?)", [operation.runId])
        .update({ ...shown(steps), operation: JSON.stringify(operation), error: null })
        .returning('active_version_id')) as { active_version_id: string }[];
      if (!opened) throw await refusal(tenantId, installId, `${operation.kind}d`);
      return { versionId: opened.active_version_id };
    },

    /** Shows how the steps stand, while the row is this run's. */
    show(tenantId: string, installId: string, steps: ShownSteps): Promise<void> {
      return showSteps(db, tenantId, installId, steps);
    },

    /** Shows in which attempt a step is that runs, whatever becomes of the others meanwhile. */
    async showAttempt(
      { tenantId, installId }: { tenantId: string; installId: string },
      name: 'warm',
      { runId, attempts }: { runId: string; attempts: number },
    ): Promise<void> {
      await db.raw(
        `update tenant_extension_install
            set steps = (select jsonb_agg(case when s->>'name' = :name and s->>'status' = 'running'
                                               then s || jsonb_build_object('attempts', :attempts::int) else s end order by n)
                           from jsonb_array_elements(steps) with ordinality as step(s, n)),
                updated_at = now()
          where tenant_id = :tenantId and install_id = :installId and operation->>'runId' = :runId`,
        { tenantId, installId, name, runId, attempts },
      );
    },

    /** Takes the row from whatever runs, and has it say what is served from now on. */
    async stop(
      tenantId: string,
      installId: string,
      { operation, from, to, steps }: Opening & { to: InstallStatus },
    ): Promise<void> {
      const stopped = await row(tenantId, installId)
        .whereRaw("(status = any(?) or (status = ? and operation->>'runId' = ?))", [
          [...from],
          to,
          operation.runId,
        ])
        .update({ ...shown(steps), status: to, operation: JSON.stringify(operation), error: null });
      if (stopped === 0) throw await refusal(tenantId, installId, to);
    },

    /** The version serves, and the operation has ended. */
    async enable(
      tenantId: string,
      installId: string,
      {
        runId,
        versionId,
        to = 'active',
        steps,
      }: { runId: string; versionId: string; to?: 'active' | 'paused'; steps: Step[] },
    ): Promise<void> {
      const enabled = await ownedBy(tenantId, installId, runId)
        .where({ status: 'disabled', active_version_id: versionId })
        .update({ ...shown(steps), status: to, operation: null });
      if (enabled > 0) return;
      const serves = (await row(tenantId, installId)
        .where({ status: to, active_version_id: versionId })
        .first('install_id')) as unknown;
      if (!serves) throw await refusal(tenantId, installId, 'enabled');
    },

    /** From one status to another, with no operation that shows. */
    async turn(
      tenantId: string,
      installId: string,
      { from, to, steps }: { from: InstallStatus; to: InstallStatus; steps: Step[] },
    ): Promise<void> {
      const turned = await row(tenantId, installId)
        .where({ status: from, operation: null })
        .update({ ...shown(steps), status: to, error: null });
      if (turned > 0) return;
      const isThere = (await row(tenantId, installId).where({ status: to }).first('install_id')) as unknown;
      if (!isThere) throw await refusal(tenantId, installId, to);
    },

    /**
     * Takes a live install's row from whatever runs, for the operation that ends it. It remembers what the install was, which a repeat
     * does not change. Answers the version that was on its way.
     */
    async stopForGood(
      tenantId: string,
      installId: string,
      { operation, steps }: Pick<Opening, 'operation' | 'steps'>,
    ): Promise<{ pendingVersionId?: string }> {
      const [stopped] = (await row(tenantId, installId)
        .whereNotIn('status', INSTALL_ENDED)
        .update({
          ...shown(steps),
          status: 'uninstalling',
          restores_to: db.raw(
            "case when status = 'uninstalling' then restores_to when active_version_id is not null then status end",
          ),
          waiting_for: null,
          operation: JSON.stringify(operation),
          error: null,
        })
        .returning('pending_version_id')) as { pending_version_id: string | null }[];
      if (!stopped) throw await refusal(tenantId, installId, 'uninstalled');
      const { pending_version_id: pendingVersionId } = stopped;
      return pendingVersionId === null ? {} : { pendingVersionId };
    },

    /** Nothing serves and nothing runs any more. What never served holds nothing worth a grace. */
    async uninstall(
      tenantId: string,
      installId: string,
      { runId, purgeNow, steps }: { runId: string; purgeNow: boolean; steps: Step[] },
    ): Promise<void> {
      const uninstalled = await ownedBy(tenantId, installId, runId)
        .where({ status: 'uninstalling' })
        .update({
          ...shown(steps),
          status: 'uninstalled',
          // The version that it served is the one that it would serve again.
          pending_version_id: db.raw('coalesce(active_version_id, pending_version_id)'),
          active_version_id: null,
          pending_digest: null,
          purge_at: db.raw('case when restores_to is null or ? then now() else now() + ?::interval end', [
            purgeNow,
            GRACE,
          ]),
          operation: null,
        });
      if (uninstalled > 0) return;
      const isSo = (await row(tenantId, installId)
        .where({ status: 'uninstalled' })
        .first('install_id')) as unknown;
      if (!isSo) throw await refusal(tenantId, installId, 'uninstalled');
    },

    /** Takes an uninstalled install back, served by nobody yet. Throws INSTALL_EXISTS if the extension was installed anew. */
    async restore(
      tenantId: string,
      installId: string,
      { operation, steps }: Pick<Opening, 'operation' | 'steps'>,
    ): Promise<{ versionId: string; to: InstallStatus }> {
      const [restored] = (await row(tenantId, installId)
        .whereNotNull('restores_to')
        .whereRaw(
          "((status in ('uninstalled', 'uninstalling') and operation is null) or operation->>'runId' = ?)",
          [operation.runId],
        )
        .update({
          ...shown(steps),
          status: db.raw("case restores_to when 'quarantined' then restores_to else 'disabled' end"),
          active_version_id: db.raw('coalesce(active_version_id, pending_version_id)'),
          pending_version_id: null,
          purge_at: null,
          operation: JSON.stringify(operation),
          error: null,
        })
        .returning(['active_version_id', 'restores_to'])
        .catch((err: unknown) => {
          if (!isUniqueViolation(err)) throw err;
          throw new PlatformError(
            'INSTALL_EXISTS',
            'the extension was installed anew in this tenant; uninstall that first',
          );
        })) as { active_version_id: string; restores_to: InstallStatus }[];
      if (!restored) throw await refusal(tenantId, installId, 'restored');
      return { versionId: restored.active_version_id, to: restored.restores_to };
    },

    /** Ends the operation; what is served stays. */
    async end(
      tenantId: string,
      installId: string,
      { runId, steps, error }: { runId: string; steps: Step[]; error?: FailureReason },
    ): Promise<void> {
      await ownedBy(tenantId, installId, runId).update({
        ...shown(steps),
        operation: null,
        error: error ? JSON.stringify(error) : null,
      });
    },
  };

  function shown(steps: Step[]): Record<string, unknown> {
    return { steps: JSON.stringify(steps), updated_at: db.fn.now() };
  }
}

function isUniqueViolation(err: unknown): boolean {
  return err instanceof Error && 'code' in err && err.code === '23505';
}
