import { createHash } from 'node:crypto';
import type { Random } from '../random.ts';
import type { Sent, Tenant } from '../record.ts';
import { tinyBundle, wholeBundle, type Site, type Worker } from './site.ts';

/** One tenant's publishes: good bundles, broken ones, uploads that break off or are given up. */
export function createPublisher(site: Site): Worker {
  const [tenant] = site.tenants;
  let versions = 0;
  return {
    name: 'publisher',
    pauseMs: 2_000,
    async step(random, text) {
      const mark = `${tenant.name}.${text}`;
      const version = `1.0.${(versions += 1)}`;
      const whole = random.chance(0.15) ? await wholeBundle(version) : await tinyBundle(version);
      const isBroken = random.chance(0.15);
      const bundle = isBroken ? whole.slice(0, -20) : whole;
      const uploadId = await upload(site, tenant, { mark, bundle });
      if (uploadId === undefined) return;
      const about = { uploadId, ...(isBroken ? { broken: 'yes' } : { version }) };
      const one = { tenant, method: 'POST', mark, about, json: { uploadId } } as const;
      if (random.chance(0.2)) {
        await site.record.send({ ...one, kind: 'abort', route: '/api/ext-bundles/abort' });
      } else await finalize(site, one, random);
    },
  };
}

/** Undefined if the bytes did not arrive. */
async function upload(
  { record }: Site,
  tenant: Tenant,
  { mark, bundle }: { mark: string; bundle: Uint8Array },
): Promise<string | undefined> {
  const sha256 = createHash('sha256').update(bundle).digest('hex');
  const announced = { filename: mark, size: bundle.byteLength, sha256 };
  const route = '/api/ext-bundles/initiate-upload';
  const begun = await record.send({ kind: 'upload', tenant, method: 'POST', route, mark, json: announced });
  if (begun.status !== 201) return undefined;
  const { uploadId, url } = begun.answer as { uploadId: string; url: string };
  const put = () =>
    record.send({
      kind: 'bytes',
      tenant,
      method: 'PUT',
      route: url,
      mark,
      about: { uploadId, sha256 },
      bytes: bundle,
      headers: { 'content-type': 'application/zstd' },
    });
  // The second time replaces what the first may have left.
  const arrived = (await put()).status === 200 || (await put()).status === 200;
  return arrived ? uploadId : undefined;
}

/** Finalizes, sometimes twice at once, and follows the URL of a 202. */
async function finalize(
  { record }: Site,
  one: Omit<Parameters<Site['record']['send']>[0], 'kind' | 'route'>,
  random: Random,
): Promise<void> {
  const wait = random.chance(0.5) ? { headers: { prefer: 'wait=20' } } : {};
  const send = (): Promise<Sent> =>
    record.send({ ...one, ...wait, kind: 'publish', route: '/api/ext-bundles/finalize' });
  const sent = await Promise.all(random.chance(0.25) ? [send(), send()] : [send()]);
  if (sent.every(({ status }) => status === undefined || status === 503)) sent.push(await send());
  const url = sent.find(({ status }) => status === 202)?.location;
  if (url === undefined) return;
  const { tenant, mark, about = {} } = one;
  await record.send({ kind: 'read', tenant, method: 'GET', route: url, mark, about });
}
