import { readFileSync } from 'node:fs';
import path from 'node:path';
import { defineSearchAttributeKey, SearchAttributeType } from '@temporalio/common';
import { z } from 'zod';
import { SecretValue } from '../../core/secret-value.ts';
import { connectTemporal, type TemporalConnection } from '../../platform/temporal/client.ts';
import type { RunningPlatform } from '../support/platform.ts';

const secretsFile = z.object({
  payloadCodecKey: z.string(),
  secretsSealing: z.object({ privateKey: z.string() }),
  tokens: z.object({ metrics: z.string().optional() }),
});

/** Keys of the platform's own that only a checker may use. */
export function readSecrets(dataDir: string): z.infer<typeof secretsFile> {
  return secretsFile.parse(JSON.parse(readFileSync(path.join(dataDir, 'secrets.json'), 'utf8')));
}

export function connectTo({ local, dataDir }: RunningPlatform): TemporalConnection {
  const { address, namespace } = local.temporal;
  const codecKeys = [new SecretValue(readSecrets(dataDir).payloadCodecKey)] as const;
  return connectTemporal({ address, namespace, codecKeys });
}

export interface RunningWorkflow {
  workflowId: string;
  type: string;
  startedAt: Date;
  /** `ExtPhase`; undefined of one that has none. */
  phase: string | undefined;
}

const PHASE = defineSearchAttributeKey('ExtPhase', SearchAttributeType.KEYWORD);
/** Of the schedule's own: it runs for ever. */
const SCHEDULER = 'temporal-sys-scheduler-workflow';

export async function runningWorkflows({ client }: TemporalConnection): Promise<RunningWorkflow[]> {
  const running: RunningWorkflow[] = [];
  for await (const { workflowId, type, startTime, typedSearchAttributes } of client.workflow.list({
    query: `ExecutionStatus = 'Running'`,
  })) {
    if (type === SCHEDULER) continue;
    running.push({ workflowId, type, startedAt: startTime, phase: typedSearchAttributes.get(PHASE) });
  }
  return running;
}
