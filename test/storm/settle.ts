import type { TemporalConnection } from '../../platform/temporal/client.ts';
import { waitFor } from '../../starter/wait-for.ts';
import type { TestPlatform } from '../support/platform.ts';
import { untilQuiet } from './quiet.ts';
import type { RequestRecord, Sent } from './record.ts';
import { runningWorkflows } from './temporal.ts';
import type { Site } from './work/site.ts';

const HOUSEKEEPING = 'housekeeping';
const HOUSEKEEPING_WITHIN_MS = 60_000;
/** Of a resource that no workflow has taken up. */
const NOT_BEGUN = ['uploading', 'installing'];

/**
 * Brings the platform to rest: waits for what was begun, has housekeeping done, reads every URL that a 202 named, sends again what nobody
 * has taken up, and calls every resident extension. Answers what keeps the platform from being quiet.
 */
export async function settle(
  platform: TestPlatform,
  temporal: TemporalConnection,
  { record, tenants, extension }: Site,
): Promise<string[]> {
  await untilQuiet(platform, temporal);
  await keepHouse(temporal);
  await untilQuiet(platform, temporal);
  const begun = record.all.filter(({ status }) => status === 202);
  for (const sent of begun) {
    const { status } = (await readAgain(record, sent)).answer as { status?: string };
    if (status === undefined || !NOT_BEGUN.includes(status)) continue;
    await sendAgain(record, sent);
    await untilQuiet(platform, temporal);
    await readAgain(record, sent);
  }
  for (const tenant of tenants) {
    const mark = `${tenant.name}.after`;
    const route = `/api/ext/${extension}/hello/${mark}`;
    const about = { installId: tenant.installId, when: 'after' };
    await record.send({ kind: 'call', tenant, method: 'GET', route, mark, about });
  }
  return untilQuiet(platform, temporal);
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

/** Runs what the schedule runs, now. */
async function keepHouse(temporal: TemporalConnection): Promise<void> {
  await temporal.client.schedule.getHandle(HOUSEKEEPING).trigger();
  const isDone = async (): Promise<boolean> =>
    (await runningWorkflows(temporal)).every(({ type }) => type !== HOUSEKEEPING);
  await waitFor(isDone, HOUSEKEEPING_WITHIN_MS, 500);
}
