import { describe, expect, it } from '@jest/globals';
import type { Manifest } from '../../core/manifest/manifest.ts';
import { PlatformError } from '../../core/errors.ts';
import type { Install } from '../../platform/db/installs.ts';
import type { RegistryStore } from '../../platform/db/registry.ts';
import type { KeptVersion } from '../../platform/db/version-changes.ts';
import type { Principal } from '../principal.ts';
import { createVersionChanges, type VersionChangesDeps } from './version-changes.ts';

const PRINCIPAL: Principal = {
  kind: 'api-key',
  tenantId: 't',
  keyId: 'k',
  permissions: [],
  extensionPermissions: [],
};
const AT = new Date(0);

const kept = (version: string, rolledBack = false): KeptVersion => ({
  versionId: `v${version}`,
  version,
  contentHash: 'sha256:x',
  status: 'published',
  rolledBack,
});

function installAt(version: string, more: Partial<Install> = {}): Install {
  return {
    ...{ tenantId: 't', installId: 'i', extensionId: 'e', extension: 'alga.e', status: 'active', steps: [] },
    ...{ activeVersionId: `v${version}`, versionId: `v${version}`, version, contentHash: 'sha256:x' },
    ...{
      configVersion: 1,
      secretsVersion: 0,
      grants: [],
      previousVersions: [],
      createdAt: AT,
      updatedAt: AT,
    },
    ...more,
  };
}

function setup(install: Install, keptVersions: KeptVersion[] = []) {
  const digested: unknown[] = [];
  const started: unknown[] = [];
  const refused = (): never => {
    throw new PlatformError('OPERATION_RUNNING', 'another operation on this install is running: rollback');
  };
  const manifest = { capabilities: [], secrets: [] } as unknown as Manifest;
  const deps: VersionChangesDeps = {
    service: { find: () => Promise.resolve(install), decline: refused },
    registry: {
      publishedVersions: () => Promise.resolve(['2.0.0']),
      findVersion: () =>
        Promise.resolve({
          ...{ versionId: 'v2.0.0', extensionId: 'e', version: '2.0.0', contentHash: 'sha256:x' },
          ...{ status: 'published', manifest },
        } as unknown as Awaited<ReturnType<RegistryStore['findVersion']>>),
    },
    kept: { kept: () => Promise.resolve(keptVersions) },
    draftedOperation: (_install, change) =>
      Promise.resolve({ draftId: 'd', installId: change.installId, begun: true }),
    // The one that is in the way is over by now.
    onceSettled: (_install, start) => start(),
    inputDigest: (input) => `digest ${digested.push(input)}`,
    workflows: {
      startUpgrade: refused,
      startRollback: (input) =>
        Promise.resolve({ installId: input.installId, draftId: String(started.push(input)) }),
    },
  };
  return { changes: createVersionChanges(deps), digested, started };
}

describe('a roll-back that is asked for again while it runs', () => {
  const operation = { kind: 'rollback', runId: 'r', workflowId: 'w', startedAt: AT.toISOString() } as const;

  it('is the one that runs, also once the version before serves again', async () => {
    const before = setup(
      installAt('3.0.0', { operation, pending: { versionId: 'v2.0.0', version: '2.0.0' } }),
      [kept('2.0.0'), kept('1.0.0')],
    );
    const after = setup(installAt('2.0.0', { operation }), [kept('3.0.0', true), kept('1.0.0')]);
    for (const { changes, started } of [before, after]) {
      for (const wanted of [undefined, '2.0.0']) {
        expect(await changes.rollBack(PRINCIPAL, 'i', wanted)).toMatchObject({
          outcome: 'begun',
          versionId: 'v2.0.0',
        });
      }
      expect(started).toEqual([]);
    }
  });
});

describe('an upgrade without narrower scopes', () => {
  it('has the digest that it had before there were any, so that a version that waits since then is found', async () => {
    const { changes, digested } = setup(installAt('1.0.0'));
    await changes.upgrade(PRINCIPAL, 'i', { version: '2.0.0', config: {}, secrets: {}, consent: [] });
    expect(digested).toEqual([{ installId: 'i', versionId: 'v2.0.0', consent: [], config: {}, secrets: {} }]);
  });
});
