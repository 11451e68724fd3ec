import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { LIFECYCLE_TASK_QUEUE, publisherSlug } from '../../core/ids.ts';
import { createPublisherStore } from '../../platform/db/publishers.ts';
import type { TrustProgress } from '../../workflows/messages.ts';
import { eventually } from '../support/eventually.ts';
import { seedTenant } from '../support/seed.ts';
import { newSigner, type Signer } from '../support/signing.ts';
import { startTrustEnvironment, type TrustEnvironment } from '../support/trust-environment.ts';
import { failureCode, startWorkflowEnvironment } from '../support/workflow-environment.ts';

/** What follows a change, page by page. */
const PASS = ['judgeVersions', 'tellInstalls', 'reportTrust'];

let on: TrustEnvironment;
beforeAll(async () => {
  on = await startTrustEnvironment('trust_workflows');
});
afterAll(() => on.stop());
beforeEach(() => on.reset());

const trustKey = (signer: Signer): Promise<TrustProgress> =>
  on.run('trustKey', { key: signer.trusted, requestedBy: 'operator' });
const revokeKey = (signer: Signer): Promise<TrustProgress> =>
  on.run('revokeKey', { key: { ...signer.trusted, reason: 'it leaked' }, requestedBy: 'operator' });

describe('a key that is revoked', () => {
  it('quarantines what it alone signed, with every install, and says why and how to leave', async () => {
    const [leaked, kept] = [newSigner(), newSigner()];
    await trustKey(leaked);
    await trustKey(kept);
    const [bad, good] = [await on.published(leaked, 3), await on.published(kept)];
    const progress = await revokeKey(leaked);
    expect(progress).toMatchObject({ quarantined: 1, released: 0, installs: 3, left: 0 });
    expect(await on.versionStatus(bad)).toBe('quarantined');
    expect(await on.versionStatus(good)).toBe('published');
    expect(await on.shown(bad)).toMatchObject({
      status: 'quarantined',
      error: {
        code: 'SIGNATURE_REVOKED',
        message: expect.stringMatching(/revoked \(it leaked\).*To leave quarantine/s),
      },
    });
    expect(await on.shown(good)).toMatchObject({ status: 'active' });
    expect(await on.trust.overview()).toMatchObject({ left: 0, lastPass: { quarantined: 1, installs: 3 } });
  });

  it('binds whoever is asked before anything was judged by it', async () => {
    const signer = newSigner();
    await trustKey(signer);
    const version = await on.published(signer);
    const held = Promise.withResolvers<undefined>();
    on.watched.before = (name) => (name === 'judgeVersions' ? held.promise : undefined);
    const handle = await on.begin('revokeKey', { key: signer.trusted, requestedBy: 'operator' });
    await expect(on.versionTrust.check(version.versionId)).rejects.toMatchObject({
      code: 'SIGNATURE_REVOKED',
    });
    held.resolve(undefined);
    await handle.result();
  });

  it('leaves what another trusted key signed as well', async () => {
    const [leaked, other] = [newSigner(), newSigner()];
    await trustKey(leaked);
    await trustKey(other);
    const version = await on.published(leaked);
    const { contentHash, manifest } = version;
    const facts = { contentHash, manifestSha256: '00'.repeat(32), name: manifest.name, version: '1' };
    await on.sign(version, other.sign(facts));
    await revokeKey(leaked);
    expect(await on.versionStatus(version)).toBe('published');
  });

  it.each(['revokeTrustKey', ...PASS])(
    'though the workflow was cancelled at %s, and all follows from the next change',
    async (activity) => {
      const signer = newSigner();
      await trustKey(signer);
      const version = await on.published(signer, 2);
      await on.cancelled(activity, 'revokeKey', { key: signer.trusted, requestedBy: 'operator' });
      expect((await on.trust.current()).trust.keys).toMatchObject([{ state: 'revoked' }]);
      await trustKey(newSigner());
      expect(await on.versionStatus(version)).toBe('quarantined');
      expect(await on.trust.overview()).toMatchObject({ left: 0, revision: 4, lastPass: { revision: 4 } });
    },
  );
});

describe('whatever changes what is trusted', () => {
  const signer = newSigner();
  const input = { key: signer.trusted, requestedBy: 'operator' };
  it.each<[string, string, object, string]>([
    ['trustKey', 'addTrustKey', input, 'published'],
    ['revokeKey', 'revokeTrustKey', input, 'quarantined'],
  ])(
    '(%s) comes to the same when each activity has worked and its answer was lost, and when it goes on in a new run',
    async (workflow, change, given, status) => {
      await trustKey(workflow === 'trustKey' ? newSigner() : signer);
      const version = await on.published(signer, 2);
      const { revision } = await on.trust.current();
      for (const name of [change, ...PASS]) on.watched.lost.add(name);
      await on.run(workflow, given);
      expect(await on.versionStatus(version)).toBe(status);
      expect(await on.trust.overview()).toMatchObject({ left: 0, revision: revision + 1 });

      // As a run begins that an earlier one has told to go on.
      on.watched.reset();
      const progress = { versions: 50, quarantined: 2, released: 0, installs: 7, left: 1 };
      const telling = { versionIds: [version.versionId] };
      const pass = { progress, revision, telling };
      expect(await on.run(workflow, { ...given, pass })).toMatchObject({
        versions: 50,
        installs: 9,
        left: 0,
      });
      expect(on.watched.calls).not.toContain(change);
      expect(on.watched.calls.filter((name) => name === 'judgeVersions')).toHaveLength(1);
    },
  );

  it('goes on in a new run before its history is too long', async () => {
    // A large page makes a history long that has few events: this suggests a new run to the server's clients from 4 MiB on.
    const many = Array.from({ length: 13_000 }, () => randomUUID());
    let left = 6;
    const judged: number[] = [];
    const fakes = {
      addTrustKey: () => Promise.resolve(void judged.push(0)),
      judgeVersions: () => {
        left -= 1;
        judged.push(left);
        return Promise.resolve({ revision: 2, judged: 1, quarantined: many, released: [], left });
      },
      tellInstalls: () => Promise.resolve({ told: 0 }),
      reportTrust: (report: object) => Promise.resolve(void reports.push(report)),
    };
    const reports: object[] = [];
    const environment = await startWorkflowEnvironment(fakes);
    try {
      const handle = await environment.client.workflow.start('trustKey', {
        workflowId: 'long',
        taskQueue: LIFECYCLE_TASK_QUEUE,
        args: [input],
      });
      expect(await handle.result()).toMatchObject({ versions: 6, quarantined: 78_000, left: 0 });
      const { runId } = await environment.client.workflow.getHandle('long').describe();
      expect(runId).not.toBe(handle.firstExecutionRunId);
      expect(judged).toEqual([0, 5, 4, 3, 2, 1, 0]);
      expect(reports).toMatchObject([{ versions: 6, workflowId: 'long' }]);
    } finally {
      await environment.stop();
    }
  });
});

describe('a key that is trusted', () => {
  it('ends the quarantine of what it signed: its installs are what they were', async () => {
    const [first, signer] = [newSigner(), newSigner()];
    const version = await on.published(signer);
    await trustKey(first);
    expect(await on.shown(version)).toMatchObject({ status: 'quarantined' });
    expect(await trustKey(signer)).toMatchObject({ released: 1, installs: 1 });
    const after = await on.shown(version);
    expect(after).toMatchObject({ status: 'active' });
    expect(after?.error).toBeUndefined();
  });

  it('is refused once it was revoked', async () => {
    const signer = newSigner();
    await trustKey(signer);
    await revokeKey(signer);
    await expect(trustKey(signer)).rejects.toThrow();
  });
});

describe('a version that is revoked', () => {
  it.each([
    [
      'whose answers are lost',
      (): void => ['revokeVersion', 'tellInstalls'].forEach((name) => on.watched.lost.add(name)),
    ],
    ['that goes on in a new run', (): void => undefined],
  ])('by a workflow %s is so, and all of its installs are told', async (what, disturb) => {
    const version = await on.published(undefined, 2);
    const { versionId } = version;
    disturb();
    const input = { versionId, reason: 'it steals', requestedBy: 'operator' };
    expect(await on.run('revokeVersion', input)).toEqual({ installs: 2 });
    expect(await on.versionStatus(version)).toBe('revoked');
    if (what.includes('new run')) {
      const told = { installs: 40 };
      expect(await on.run('revokeVersion', { ...input, told })).toEqual({ installs: 42 });
      expect(on.watched.calls.filter((name) => name === 'revokeVersion')).toHaveLength(1);
    }
  });

  it.each(['revokeVersion', 'tellInstalls'])(
    'is so though its workflow is cancelled at %s',
    async (activity) => {
      const version = await on.published(undefined);
      const { versionId } = version;
      await on.cancelled(activity, 'revokeVersion', {
        versionId,
        reason: 'it steals',
        requestedBy: 'operator',
      });
      expect(await on.versionStatus(version)).toBe('revoked');
      expect(await on.shown(version)).toMatchObject({
        status: 'quarantined',
        error: { code: 'VERSION_REVOKED' },
      });
    },
  );

  it('is so for good, and its installs say why', async () => {
    const signer = newSigner();
    const version = await on.published(signer, 2);
    const { versionId } = version;
    const result = await on.run('revokeVersion', { versionId, reason: 'it steals', requestedBy: 'operator' });
    expect(result).toEqual({ installs: 2 });
    await trustKey(signer);
    expect(await on.versionStatus(version)).toBe('revoked');
    expect(await on.shown(version)).toMatchObject({
      status: 'quarantined',
      error: { code: 'VERSION_REVOKED', message: expect.stringContaining('it steals') },
    });
  });
});

describe('a publisher that is given to another tenant', () => {
  const transfer = async () => {
    const { manifest, tenantId } = await on.published(undefined, 0);
    const slug = publisherSlug(manifest.publisher);
    const to = await seedTenant(on.db);
    const input = { slug, tenantId: to, reason: 'sold', requestedBy: 'operator' };
    return { tenantId, input, to, read: () => createPublisherStore(on.db).find(slug) };
  };

  it('is its own from then on, though the answer was lost, and shows whose it was', async () => {
    const { tenantId, input, to, read } = await transfer();
    on.watched.lost.add('transferPublisher');
    await on.run('transferPublisher', input);
    const lastTransfer = { from: tenantId, reason: 'sold', requestedBy: 'operator' };
    expect(await read()).toMatchObject({ tenantId: to, lastTransfer });
  });

  it('is its own though the workflow is cancelled, and the caller is told', async () => {
    const { input, to, read } = await transfer();
    await on.cancelled('transferPublisher', 'transferPublisher', input);
    expect(await read()).toMatchObject({ tenantId: to });
  });

  it('is given to one at a time: who asks for another is refused while it is under way', async () => {
    const { input, to, read } = await transfer();
    const held = Promise.withResolvers<undefined>();
    on.watched.before = () => held.promise;
    const workflowId = `transfer-publisher:${input.slug}`;
    const first = on.begin('transferPublisher', input, workflowId);
    await eventually(() => expect(on.watched.calls).toEqual(['transferPublisher']));
    const joined = on.begin('transferPublisher', input, workflowId);
    const other = { ...input, tenantId: await seedTenant(on.db) };
    expect(await failureCode(on.begin('transferPublisher', other, workflowId))).toBe('STATE_CONFLICT');
    held.resolve(undefined);
    await Promise.all([first, joined]);
    expect(on.watched.calls).toEqual(['transferPublisher']);
    expect(await read()).toMatchObject({ tenantId: to });
  });

  it('stays where it is when there is no such tenant', async () => {
    const { tenantId, input, read } = await transfer();
    expect(await failureCode(on.begin('transferPublisher', { ...input, tenantId: randomUUID() }))).toBe(
      'NOT_FOUND',
    );
    expect(await read()).toMatchObject({ tenantId });
  });
});
