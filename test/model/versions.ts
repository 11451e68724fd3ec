import { bundleOf, expectStatus, publish } from '../support/extensions.ts';
import type { TestPlatform } from '../support/platform.ts';
import { VERSIONS } from './deeds.ts';

type Version = (typeof VERSIONS)[keyof typeof VERSIONS];

const ENDPOINTS = [
  { method: 'GET', path: '/hello/:name', handler: 'hello', permission: 'extension:read' },
  { method: 'GET', path: '/health', handler: 'health', permission: 'extension:read' },
  { method: 'GET', path: '/nothing', handler: 'nothing', permission: 'extension:read' },
];
const greeting = { type: 'string', default: 'Hello', maxLength: 200 };
const BASE = {
  secrets: [{ name: 'TOKEN' }],
  api: { endpoints: ENDPOINTS },
  settings: { type: 'object', properties: { greeting } },
};
const MANIFESTS: Record<Version, object> = {
  [VERSIONS.first]: {},
  [VERSIONS.same]: {},
  [VERSIONS.unfit]: { health: '/nothing' },
  [VERSIONS.more]: {
    capabilities: [
      'config.read',
      { name: 'storage.kv', scope: { namespaces: ['counters', 'more'] } },
      { name: 'secrets.get', optional: true },
    ],
  },
  [VERSIONS.needy]: {
    settings: { type: 'object', properties: { greeting, city: { type: 'string' } }, required: ['city'] },
  },
};

/** Publishes versions of an extension of our own publisher, by `publisher.name`, for all tenants. */
export async function publishVersions(
  platform: TestPlatform,
  extension: string,
  versions: readonly Version[] = Object.values(VERSIONS),
): Promise<void> {
  const name = extension.split('.')[1];
  for (const version of versions) {
    const bundle = await bundleOf('hello', { ...BASE, ...MANIFESTS[version], name, version });
    expectStatus(await publish(platform, platform.local.keys.admin, bundle), 201);
  }
}
