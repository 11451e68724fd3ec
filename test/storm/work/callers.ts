import type { Random } from '../random.ts';
import type { Site, Worker } from './site.ts';

/** Calls of the extension in every tenant: to counters of their own, to one that all count up, and back as they came. */
export function createCaller(site: Site, at: number): Worker {
  return {
    name: `caller-${at}`,
    pauseMs: 150,
    async step(random, mark) {
      const tenant = random.pick(site.tenants);
      const marked = `${tenant.name}.${mark}`;
      const sent = await call(site, tenant, marked, random);
      if (sent.executionId === undefined || !random.chance(0.1)) return;
      const route = `/api/v1/executions/${sent.executionId}`;
      await site.record.send({ kind: 'read', tenant, method: 'GET', route, mark: marked });
    },
  };
}

function call(
  { record, extension }: Site,
  tenant: Site['tenants'][number],
  mark: string,
  random: Random,
): ReturnType<Site['record']['send']> {
  const base = `/api/ext/${extension}`;
  const about = { installId: tenant.installId };
  const which = random.between(0, 1);
  if (which < 0.6) {
    return record.send({ kind: 'call', tenant, method: 'GET', route: `${base}/hello/${mark}`, mark, about });
  }
  if (which < 0.8) {
    const route = `${base}/hello/${tenant.name}.shared`;
    return record.send({ kind: 'count', tenant, method: 'GET', route, mark, about });
  }
  const json = { text: mark };
  return record.send({ kind: 'echo', tenant, method: 'POST', route: `${base}/echo`, mark, about, json });
}
