import type { ResidentTenant, Site, Worker } from './site.ts';

/** Changes config and secrets of one install, one after another, so that the last one acknowledged is what must be there. */
export function createConfigurer({ record }: Site, tenant: ResidentTenant): Worker {
  return {
    name: `configurer-${tenant.name}`,
    pauseMs: 1_000,
    async step(random, text) {
      const mark = `${tenant.name}.${text}`;
      const base = `/api/v1/installs/${tenant.installId}`;
      const about = { installId: tenant.installId };
      const isSecret = random.chance(0.3);
      const change = isSecret
        ? ({ kind: 'secrets', route: `${base}/secrets`, json: { TOKEN: mark } } as const)
        : ({ kind: 'config', route: `${base}/config`, json: { greeting: mark } } as const);
      const put = () => record.send({ ...change, tenant, method: 'PUT', mark, about });
      const sent = await Promise.all(random.chance(0.2) ? [put(), put()] : [put()]);
      const url = sent.find(({ location }) => location !== undefined)?.location;
      if (url !== undefined) await record.send({ kind: 'read', tenant, method: 'GET', route: url, mark });
    },
  };
}
