import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { createTrustStore } from '../../platform/db/trust.ts';
import { createJudging } from '../../platform/temporal/judging.ts';
import { startAdopting } from '../../platform/temporal/start-adopting.ts';
import { trustBundleDigest } from '../../platform/signatures/trust-bundle.ts';
import { eventually } from '../support/eventually.ts';
import { newSigner } from '../support/signing.ts';
import { startTrustEnvironment, type TrustEnvironment } from '../support/trust-environment.ts';

const PASS = ['judgeVersions', 'tellInstalls', 'reportTrust'];
const signer = newSigner();
const bundle = { threshold: 1, keys: [signer.trusted] };
const digest = trustBundleDigest(bundle);

let on: TrustEnvironment;
beforeAll(async () => {
  on = await startTrustEnvironment('adopt_trust_bundle', bundle);
});
afterAll(() => on.stop());
beforeEach(() => on.reset());

describe('a trust bundle that workers start with', () => {
  it('is held against what is published once', async () => {
    const [signed, unsigned] = [await on.published(signer), await on.published(undefined)];
    const { client } = on;
    const workflowId = await startAdopting(client, on.trust, bundle);
    await client.workflow.getHandle(workflowId ?? '').result();
    expect(await on.trust.overview()).toMatchObject({ left: 0, revision: 2 });
    expect(await on.versionStatus(signed)).toBe('published');
    expect(await on.versionStatus(unsigned)).toBe('quarantined');
    expect(await startAdopting(client, on.trust, bundle)).toBeUndefined();
  });

  it('comes to the same when each activity has worked and its answer was lost, and when it goes on in a new run', async () => {
    const version = await on.published(undefined, 2);
    for (const name of ['adoptTrustBundle', ...PASS]) on.watched.lost.add(name);
    await on.run('adoptTrustBundle', { digest });
    expect(await on.versionStatus(version)).toBe('quarantined');
    expect(await on.trust.overview()).toMatchObject({ left: 0, revision: 2 });

    on.watched.reset();
    const progress = { versions: 50, quarantined: 2, released: 0, installs: 7, left: 1 };
    const pass = { progress, revision: 2, telling: { versionIds: [version.versionId] } };
    const result = await on.run('adoptTrustBundle', { digest, pass });
    expect(result).toMatchObject({ versions: 50, installs: 9, left: 0 });
    expect(on.watched.calls).not.toContain('adoptTrustBundle');
  });

  it('is what alone is judged by: a worker that has another leaves that to those that have it', async () => {
    const version = await on.published(undefined);
    await on.trust.adopt('of another');
    await createJudging(on.client).begin();
    await eventually(() =>
      expect(on.watched.calls.filter((name) => name === 'judgeVersions').length).toBeGreaterThan(1),
    );
    expect(await on.versionStatus(version)).toBe('published');
    expect(await on.trust.overview()).toMatchObject({ left: 1 });
    await expect(on.versionTrust.check(version.versionId)).rejects.toMatchObject({ code: 'TRUST_CHANGED' });
    await expect(createTrustStore(on.db, undefined).adopted()).rejects.toMatchObject({
      code: 'TRUST_CHANGED',
    });
    // As a worker of this bundle does when it starts.
    await on.trust.adopt(digest);
    await on.client.workflow.getHandle('judge-published').result();
    expect(await on.versionStatus(version)).toBe('quarantined');
  });
});
