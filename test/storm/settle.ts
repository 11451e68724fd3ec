import { randomUUID } from 'node:crypto';
import { LIFECYCLE_TASK_QUEUE } from '../../core/ids.ts';
import type { TemporalConnection } from '../../platform/temporal/client.ts';
import type { HousekeepingResult } from '../../workflows/messages.ts';
import type { RunningPlatform } from '../support/platform.ts';
import { untilQuiet } from './quiet.ts';
import type { RequestRecord, Sent } from './record.ts';
import type { Site } from './work/site.ts';

/** Calls and changes of config in each tenant, once nothing disturbs any more. */
const AFTERWARDS = 5;
/** Of a resource that no workflow has taken up. */
const NOT_BEGUN = ['uploading', 'installing'];

/**
 * Brings the platform to rest: waits for what was begun, has housekeeping done, reads every URL that a 202 named, sends again what nobody
 * has taken up, and works a little in every resident tenant. Answers what keeps the platform from being quiet, and what housekeeping did.
 */
export async function settle(
  platform: RunningPlatform,
  temporal: TemporalConnection,
  { record, tenants, extension }: Site,
): Promise<{ noise: string[]; swept: Swept }> {
  await untilQuiet(platform, temporal);
  const swept = await keepHouse(temporal);
  await untilQuiet(platform, temporal);
  const begun = record.all.filter(({ status }) => status === 202);
  for (const sent of begun) {
    const { status } = (await readAgain(record, sent)).answer as { status?: string };
    if (status === undefined || !NOT_BEGUN.includes(status)) continue;
    await sendAgain(record, sent);
    await untilQuiet(platform, temporal);
    await readAgain(record, sent);
  }
  for (let at = 1; at <= AFTERWARDS; at += 1) {
    for (const tenant of tenants) {
      const mark = `${tenant.name}.after.${at}`;
      const sent = { tenant, mark, about: { installId: tenant.installId, when: 'after' } };
      const route = `/api/ext/${extension}/hello/${mark}`;
      await record.send({ ...sent, kind: 'call', method: 'GET', route });
      const config = `/api/v1/installs/${tenant.installId}/config`;
      await record.send({ ...sent, kind: 'config', method: 'PUT', route: config, json: { greeting: mark } });
    }
  }
  return { noise: await untilQuiet(platform, temporal), swept };
}

/** What the URL of a 202 shows now. */
function readAgain(record: RequestRecord, { tenantId, location = '', mark }: Sent): Promise<Sent> {
  const about = { when: 'after' };
  const tenant = { tenantId, key: record.keyOf(tenantId) ?? '' };
  return record.send({ kind: 'read', tenant, method: 'GET', route: location, mark, about });
}

function sendAgain(
  record: RequestRecord,
  { kind, tenantId, method, route, mark, about, json }: Sent,
): Promise<Sent> {
  const tenant = { tenantId, key: record.keyOf(tenantId) ?? '' };
  return record.send({ kind, tenant, method, route, mark, about, json, headers: { prefer: 'wait=60' } });
}

/** What each part of housekeeping did, or failed with. */
export type Swept = HousekeepingResult['swept'];

/** Does what the schedule does, now. */
async function keepHouse({ client }: TemporalConnection): Promise<Swept> {
  const result = (await client.workflow.execute('housekeeping', {
    workflowId: `housekeeping-after-the-storm-${randomUUID()}`,
    taskQueue: LIFECYCLE_TASK_QUEUE,
  })) as HousekeepingResult;
  return result.swept;
}
