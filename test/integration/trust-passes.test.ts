import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { isJudged } from '../../platform/db/trust.ts';
import type { TrustProgress } from '../../workflows/messages.ts';
import { newSigner, type Signer } from '../support/signing.ts';
import { startTrustEnvironment, type TrustEnvironment } from '../support/trust-environment.ts';

/** What follows a change, page by page. */
const PASS = ['judgeVersions', 'tellInstalls', 'reportTrust'];

let on: TrustEnvironment;
beforeAll(async () => {
  on = await startTrustEnvironment('trust_passes');
});
afterAll(() => on.stop());
beforeEach(() => on.reset());

const trustKey = (signer: Signer): Promise<TrustProgress> =>
  on.run('trustKey', { key: signer.trusted, requestedBy: 'operator' });

describe('a pass that was cut off', () => {
  it.each(PASS)(
    'because it was cancelled at %s is done by the one that housekeeping begins',
    async (activity) => {
      const signer = newSigner();
      await trustKey(signer);
      const version = await on.published(signer, 2);
      await on.cancelled(activity, 'revokeKey', { key: signer.trusted, requestedBy: 'operator' });
      // An attempt that was under way when its workflow was cancelled has landed all the same.
      expect(isJudged(await on.trust.overview())).toBe(activity === 'reportTrust');
      await on.run('judgePublished', {});
      expect(await on.versionStatus(version)).toBe('quarantined');
      expect(await on.trust.overview()).toMatchObject({ left: 0, revision: 3, lastPass: { revision: 3 } });
      expect(isJudged(await on.trust.overview())).toBe(true);
    },
  );

  it('is done though the answer of each activity is lost, and in a new run', async () => {
    const signer = newSigner();
    const version = await on.published(signer, 2);
    await on.trust.add(newSigner().trusted, 'operator');
    for (const name of PASS) on.watched.lost.add(name);
    await on.run('judgePublished', {});
    expect(await on.versionStatus(version)).toBe('quarantined');
    const progress = { versions: 50, quarantined: 2, released: 0, installs: 7, left: 0 };
    const telling = { versionIds: [version.versionId] };
    const pass = { progress, revision: 2, telling };
    expect(await on.run('judgePublished', { pass })).toMatchObject({ versions: 50, installs: 9 });
  });
});

describe('a key whose time is over', () => {
  it('goes on counting for what it signed while it was valid, however often that is judged', async () => {
    const past = newSigner({ notBefore: '2020-01-01T00:00:00Z', notAfter: '2020-12-31T00:00:00Z' });
    const [inTime, late] = [await on.published(past), await on.published(past)];
    await on
      .db('extension_signature')
      .where({ content_hash: inTime.contentHash })
      .update({ received_at: '2020-06-01T00:00:00Z' });
    for (const signer of [past, newSigner()]) {
      await trustKey(signer);
      expect(await on.versionStatus(inTime)).toBe('published');
      expect(await on.versionStatus(late)).toBe('quarantined');
    }
    expect(isJudged(await on.trust.overview())).toBe(true);
  });
});
