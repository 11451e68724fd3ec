import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { createTrustStore, type TrustStore } from '../../platform/db/trust.ts';
import { createJudging } from '../../platform/temporal/judging.ts';
import { eventually } from '../support/eventually.ts';
import { seedTenant, seedVersion } from '../support/seed.ts';
import { newSigner } from '../support/signing.ts';
import { createSweeper, type Sweeper } from '../support/sweeper.ts';

let sweeper: Sweeper;
let trust: TrustStore;
beforeAll(async () => {
  sweeper = await createSweeper('trust_sweep');
  trust = createTrustStore(sweeper.db, undefined);
});
afterAll(() => sweeper.close());
beforeEach(async () => {
  await sweeper.db('extension_trust').update({ revision: 1, last_pass: null });
  await sweeper.db('extension_version').update({ trust_revision: 1 });
});

const due = (): Promise<number> => sweeper.sweep('sweepTrust', true);
const begun = () => sweeper.client.workflow.getHandle('judge-published');
/** As a pass that came to its end. */
const report = async (): Promise<void> => {
  const { revision } = await trust.current();
  await sweeper.db('extension_version').update({ trust_revision: revision });
  const counts = { versions: 1, quarantined: 0, released: 0, installs: 0 };
  await trust.report({ ...counts, revision, workflowId: 'w', endedAt: new Date().toISOString() });
};
const changed = async (): Promise<void> => {
  await seedVersion(sweeper.db, await seedTenant(sweeper.db), { publisher: `P ${randomUUID()}` });
  await trust.add(newSigner().trusted, 'operator');
};
const isUnderWay = () => createJudging(sweeper.client).isUnderWay();

describe('the sweep of what is to be held against what is trusted', () => {
  it('finds nothing where nothing has changed, nor where a pass came to its end', async () => {
    await seedVersion(sweeper.db, await seedTenant(sweeper.db), { publisher: 'Unchanged' });
    expect(await due()).toBe(0);
    await changed();
    await report();
    expect(await due()).toBe(0);
  });

  it('leaves a pass alone that is under way, and begins one in the place of one that was lost', async () => {
    await changed();
    const lost = await sweeper.startWorkflow('revokeKey', 'revoke-key:sha256:lost');
    await eventually(async () => expect(await isUnderWay()).toBe(true));
    expect(await sweeper.sweep('sweepTrust')).toBe(0);
    await lost.terminate();
    await eventually(async () => expect(await isUnderWay()).toBe(false));
    expect(await due()).toBe(1);
    await expect(begun().describe()).rejects.toThrow();
    expect(await sweeper.sweep('sweepTrust')).toBe(1);
    expect(await begun().describe()).toMatchObject({ type: 'judgePublished', status: { name: 'RUNNING' } });
    await eventually(async () => expect(await isUnderWay()).toBe(true));
    expect(await sweeper.sweep('sweepTrust')).toBe(0);
    await begun().terminate();
    await eventually(async () => expect(await isUnderWay()).toBe(false));
  });

  it.each<[string, () => Promise<unknown>]>([
    ['whose end was never reported', () => sweeper.db('extension_trust').update({ last_pass: null })],
    ['that left a version out', () => sweeper.db('extension_version').update({ trust_revision: -1 })],
  ])('begins a pass after one %s, once', async (_what, undo) => {
    await changed();
    await report();
    await undo();
    expect(await due()).toBe(1);
    // What was begun a moment ago, and Temporal's visibility may not have heard of, is joined.
    await Promise.all([sweeper.sweep('sweepTrust'), sweeper.sweep('sweepTrust')]);
    const { runId } = await begun().describe();
    await sweeper.sweep('sweepTrust');
    expect((await begun().describe()).runId).toBe(runId);
    await begun().terminate();
    await eventually(async () => expect(await isUnderWay()).toBe(false));
  });
});
