import { parseArgs } from 'node:util';
import { randomUUID } from 'node:crypto';
import { LIFECYCLE_TASK_QUEUE } from '../core/ids.ts';
import { HOUSEKEEPING_TITLE } from '../core/titles.ts';
import { parseEnvironment, SECRET_VARIABLES, withSecretFiles } from '../platform/config/environment.ts';
import { temporal as temporalEnv, temporalConfig } from '../platform/config/temporal.ts';
import { connectTemporal } from '../platform/temporal/client.ts';
import type { HousekeepingInput, HousekeepingResult } from '../workflows/messages.ts';

// Runs housekeeping now, beside its Schedule, and shows what it ended and removed; with --dry-run, what it would. Exits with 1 if a part
// of it failed.

const { values } = parseArgs({ options: { 'dry-run': { type: 'boolean', default: false } } });
const v = parseEnvironment(temporalEnv, withSecretFiles(process.env, SECRET_VARIABLES));
const temporal = connectTemporal(temporalConfig(v));
try {
  const input: HousekeepingInput = { dryRun: values['dry-run'] };
  const handle = await temporal.client.workflow.start('housekeeping', {
    workflowId: `housekeeping-by-hand-${randomUUID()}`,
    taskQueue: LIFECYCLE_TASK_QUEUE,
    args: [input],
    staticSummary: HOUSEKEEPING_TITLE,
  });
  console.log(`${handle.workflowId}${values['dry-run'] ? ', which changes nothing' : ''}`);
  const { swept } = (await handle.result()) as HousekeepingResult;
  for (const [name, outcome] of Object.entries(swept)) {
    const said = 'error' in outcome ? `${outcome.error.code}: ${outcome.error.message}` : outcome.count;
    console.log(`${name.padEnd(12)} ${said}`);
  }
  process.exitCode = Object.values(swept).some((outcome) => 'error' in outcome) ? 1 : 0;
} finally {
  await temporal.close();
}
