import type { Knex } from 'knex';
import type { Step } from '../../core/progress.ts';

/** How the steps of an operation stand, and the one run of its workflow that may say so. */
export interface ShownSteps {
  runId: string;
  steps: Step[];
}

/** Shows the steps in the install's row, while that is the run's. */
export async function showSteps(
  db: Knex,
  tenantId: string,
  installId: string,
  { runId, steps }: ShownSteps,
): Promise<void> {
  await db('tenant_extension_install')
    .where({ tenant_id: tenantId, install_id: installId })
    .whereRaw("operation->>'runId' = ?", [runId])
    .update({ steps: JSON.stringify(steps), updated_at: db.fn.now() });
}
