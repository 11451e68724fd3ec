import { setTimeout as delay } from 'node:timers/promises';
import { PERMISSIONS } from '../../../core/permissions.ts';
import type { Random } from '../random.ts';
import type { Sent, Tenant } from '../record.ts';
import type { Site, Worker } from './site.ts';

const TRIES = 4;
const PAUSE_MS = 1_000;

/** A new tenant each time, with a key, an install, a decision where one is asked for, and a first call. */
export function createInstaller(site: Site, at: number): Worker {
  const { record, extension } = site;
  return {
    name: `installer-${at}`,
    pauseMs: 2_000,
    async step(random, mark) {
      const tenant = await makeTenant(site, mark);
      if (!tenant) return;
      const withConsent = random.chance(0.7);
      const json = {
        extension,
        config: { greeting: mark },
        secrets: { TOKEN: mark },
        consent: withConsent ? 'all' : [],
      };
      const headers = random.chance(0.6) ? { prefer: 'wait=15' } : {};
      const route = '/api/v1/extensions/install';
      const send = (): Promise<Sent> =>
        record.send({ kind: 'install', tenant, method: 'POST', route, mark, json, headers });
      const sent = await Promise.all(random.chance(0.3) ? [send(), send()] : [send()]);
      if (sent.every(({ status }) => status === undefined || status === 503)) sent.push(await send());
      const url = sent.find(({ location }) => location !== undefined)?.location;
      if (url === undefined) return;
      await record.send({ kind: 'read', tenant, method: 'GET', route: url, mark, headers });
      if (!withConsent) await decide(site, { tenant, mark, url }, random);
      const call = `/api/ext/${extension}/hello/${mark}`;
      await record.send({ kind: 'call', tenant, method: 'GET', route: call, mark });
    },
  };
}

/** Undefined if nobody answered with one. */
async function makeTenant({ record, operator }: Site, mark: string): Promise<Tenant | undefined> {
  const made = await record.send({
    kind: 'tenant',
    tenant: operator,
    method: 'POST',
    route: '/api/v1/tenants',
    mark,
    json: { name: mark },
  });
  if (made.status !== 201) return undefined;
  const { tenantId } = made.answer as { tenantId: string };
  const permissions = PERMISSIONS.filter((permission) => permission !== 'platform:operate');
  for (let tries = 1; tries <= TRIES; tries += 1) {
    const name = `${mark}.key-${tries}`;
    const json = { name, tenantId, permissions };
    const route = '/api/v1/api-keys';
    const about = { tenantId };
    const sent = await record.send({
      kind: 'key',
      tenant: operator,
      method: 'POST',
      route,
      mark: name,
      about,
      json,
    });
    if (sent.status === 201) return { tenantId, name: mark, key: (sent.answer as { key: string }).key };
    await delay(PAUSE_MS);
  }
  return undefined;
}

/** Decides on what the install asks for, or leaves it waiting. */
async function decide(
  { record }: Site,
  { tenant, mark, url }: { tenant: Tenant; mark: string; url: string },
  random: Random,
): Promise<void> {
  const decision = random.chance(0.7) ? 'grant' : 'decline';
  if (random.chance(0.2)) return;
  const headers = random.chance(0.6) ? { prefer: 'wait=15' } : {};
  for (let tries = 1; tries <= TRIES; tries += 1) {
    const { status } = await record.send({
      kind: 'consent',
      tenant,
      method: 'POST',
      route: `${url}/consent`,
      mark,
      about: { decision },
      json: { decision },
      headers,
    });
    if (status !== undefined && status < 300) return;
    await delay(PAUSE_MS);
  }
}
