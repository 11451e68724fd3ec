import { publishVersions } from '../../model/versions.ts';
import { VERSIONS } from '../../model/deeds.ts';
import { packTarZst } from '../../../platform/bundle/pack.ts';
import { bundleOf, createTenant, expectStatus, install, publish } from '../../support/extensions.ts';
import type { TestPlatform } from '../../support/platform.ts';
import { componentOfHostWorld } from '../../support/tiny-components.ts';
import type { RequestRecord, Tenant } from '../record.ts';
import type { Random } from '../random.ts';

/** What work goes on with: made before the first disturbance. */
export interface Site {
  record: RequestRecord;
  operator: Pick<Tenant, 'tenantId' | 'key'>;
  /** Each has the extension installed. */
  tenants: readonly [ResidentTenant, ...ResidentTenant[]];
  /** Each leads an install of the extension `LED` through its life. */
  stewards: readonly Tenant[];
  /** `publisher.name` of an extension that counts calls, reads its config and has a secret. */
  extension: string;
}

export interface ResidentTenant extends Tenant {
  installId: string;
}

/** One of those who work at once. Each has numbers of its own, so that its work follows from the seed. */
export interface Worker {
  name: string;
  /** At most, between two steps. */
  pauseMs: number;
  step: (random: Random, mark: string) => Promise<void>;
}

const PUBLISHER = 'Storm';
const EXTENSION = 'storm';
/** What the first tenant publishes. */
const PUBLISHED = 'published';
const TENANTS = ['north', 'south', 'east'] as const;
const STEWARDS = ['west', 'zenith'] as const;
/** The extension that installs of are led through their lives, and its versions. */
export const LED = {
  extension: 'alga.led',
  versions: [VERSIONS.first, VERSIONS.same, VERSIONS.more, VERSIONS.needy],
} as const;
const CHANGES = {
  secrets: [{ name: 'TOKEN' }],
  settings: {
    type: 'object',
    properties: { greeting: { type: 'string', default: 'Hello', maxLength: 200 } },
  },
};

/** Tenants with an install each, while nothing disturbs. */
export async function prepareSite(platform: TestPlatform, record: RequestRecord): Promise<Site> {
  const { tenantId, keys } = platform.local;
  const bundle = await bundleOf('hello', { ...CHANGES, name: EXTENSION }, 'starlingmonkey');
  expectStatus(await publish(platform, keys.admin, bundle), 201);
  const extension = `alga.${EXTENSION}`;
  const tenants = await Promise.all(
    TENANTS.map(async (name) => {
      const tenant = { name, ...(await createTenant(platform, name)) };
      const config = { greeting: `${name}.at-first` };
      const answer = await install(platform, tenant.key, { extension, config });
      expectStatus(answer, 201);
      return { ...tenant, installId: (answer.json as { installId: string }).installId };
    }),
  );
  await publishVersions(platform, LED.extension, LED.versions);
  const stewards = await Promise.all(
    STEWARDS.map(async (name) => ({ name, ...(await createTenant(platform, name)) })),
  );
  const [first, ...others] = tenants;
  if (!first) throw new Error('a storm needs a tenant');
  const operator = { tenantId, key: keys.operator };
  return { record, operator, tenants: [first, ...others], stewards, extension };
}

/** A version that is verified and precompiled in a moment. */
export async function tinyBundle(version: string): Promise<Uint8Array> {
  const component = await componentOfHostWorld((wit) => wit.replace(/^ +import [a-z0-9-]+;\n/gm, ''));
  const manifest = { name: PUBLISHED, publisher: PUBLISHER, version, runtime: 'wasm-js@1' };
  return packTarZst([
    { path: 'manifest.json', bytes: Buffer.from(JSON.stringify(manifest)) },
    { path: 'entry.wasm', bytes: component },
  ]);
}

/** A version of the counting extension, which takes seconds to precompile. */
export function wholeBundle(version: string): Promise<Uint8Array> {
  return bundleOf('hello', { ...CHANGES, publisher: PUBLISHER, name: PUBLISHED, version }, 'starlingmonkey');
}
