import { createHash, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { canonicalJson } from '../../core/canonical-json.ts';
import { MAX_ENVELOPES, type DsseEnvelope } from '../../core/dsse-envelope.ts';
import { createRegistryStore } from '../../platform/db/registry.ts';
import { createVersionTrustStore } from '../../platform/db/version-trust.ts';
import { createObjectKeys } from '../../platform/objects/keys.ts';
import { IN_TOTO_TYPE, signEnvelope } from '../../platform/signatures/dsse.ts';
import { fromTemporalError } from '../../platform/temporal/failures.ts';
import type { TrustProgress } from '../../workflows/messages.ts';
import { registrationOf, seedTenant } from '../support/seed.ts';
import { newSigner, type Signer } from '../support/signing.ts';
import {
  startTrustEnvironment,
  type Published,
  type TrustEnvironment,
} from '../support/trust-environment.ts';
import { failureCode } from '../support/workflow-environment.ts';

const keys = createObjectKeys('sha256/');
let on: TrustEnvironment;
beforeAll(async () => {
  on = await startTrustEnvironment('sign_version');
});
afterAll(() => on.stop());
beforeEach(() => on.reset());

const trust = async (...signers: Signer[]): Promise<void> => {
  for (const { trusted } of signers) await on.run('trustKey', { key: trusted, requestedBy: 'operator' });
};
const inputOf = (version: Published, envelope: DsseEnvelope, fields: object = {}) => {
  const { tenantId, versionId, contentHash } = version;
  return { tenantId, versionId, contentHash, envelope, requestedBy: 'key:publisher', ...fields };
};
const sign = (version: Published, envelope: DsseEnvelope, fields?: object): Promise<TrustProgress> =>
  on.run('signVersion', inputOf(version, envelope, fields));
const shownOf = ({ versionId }: Published) => createRegistryStore(on.db).findVersionById(versionId);
/** What lies beside its bundle, as the database and the object store have it. */
const kept = async ({ contentHash }: Published): Promise<{ rows: number; objects: number }> => {
  const objects = [...on.stored.keys()].filter(
    (key) => key.startsWith(keys.content(contentHash)) && key.endsWith('.dsse.json'),
  );
  return { rows: (await on.signatures.list(contentHash)).length, objects: objects.length };
};

/** That nobody trusts who signed it. */
async function quarantined(installs = 1): Promise<{ version: Published; signer: Signer }> {
  const signer = newSigner();
  const version = await on.published(newSigner(), installs);
  await trust(signer);
  expect(await on.versionStatus(version)).toBe('quarantined');
  return { version, signer };
}

describe('a signature that is added to a published version', () => {
  it('ends the quarantine that it answers: its installs are what they were', async () => {
    const { version, signer } = await quarantined(2);
    expect(await on.shown(version)).toMatchObject({
      status: 'quarantined',
      error: { message: expect.stringContaining('its publisher adds a signature') },
    });
    const before = await on.trust.overview();
    expect(await sign(version, signer.sign(version.facts))).toMatchObject({
      versions: 1,
      released: 1,
      installs: 2,
    });
    expect(await on.shown(version)).toMatchObject({ status: 'active' });
    expect((await on.shown(version))?.error).toBeUndefined();
    expect(await shownOf(version)).toMatchObject({
      trust: { policy: 'required', signedBy: [signer.keyId] },
      signatures: [{}, {}],
    });
    // Nothing but this version was judged, and nothing else is said to have been.
    expect(await on.trust.overview()).toEqual(before);
  });

  it('changes nothing a second time', async () => {
    const { version, signer } = await quarantined();
    const envelope = signer.sign(version.facts);
    await sign(version, envelope);
    expect(await sign(version, envelope)).toMatchObject({ versions: 0, released: 0, installs: 0 });
    expect(await kept(version)).toEqual({ rows: 2, objects: 2 });
  });

  it('counts for all versions of the same bytes', async () => {
    const { version, signer } = await quarantined();
    const { tenantId, contentHash, manifest } = version;
    const { revision } = await on.trust.current();
    const other = registrationOf(
      tenantId,
      { ...manifest, version: '1.2.4' },
      { contentHash, trust: { revision, policy: 'required', keyIds: [] } },
    );
    const { versionId } = await createRegistryStore(on.db).register(other);
    await on.db('extension_version').where({ version_id: versionId }).update({ status: 'quarantined' });
    expect(await sign(version, signer.sign(version.facts))).toMatchObject({ versions: 2, released: 2 });
    expect(await createRegistryStore(on.db).findVersionById(versionId)).toMatchObject({
      status: 'published',
    });
  });

  it('is kept where nobody asks for signatures, and counts once somebody does', async () => {
    const signer = newSigner();
    const version = await on.published(undefined);
    await sign(version, signer.sign(version.facts));
    expect(await shownOf(version)).toMatchObject({ trust: { policy: 'optional', signedBy: [] } });
    await trust(signer);
    expect(await shownOf(version)).toMatchObject({
      status: 'published',
      trust: { signedBy: [signer.keyId] },
    });
  });

  it('by several at once is kept of each', async () => {
    const signers = [newSigner(), newSigner(), newSigner()];
    const version = await on.published(newSigner());
    await trust(...signers);
    await Promise.all(signers.map((signer) => sign(version, signer.sign(version.facts))));
    const shown = await shownOf(version);
    expect(shown?.status).toBe('published');
    expect(new Set(shown?.trust.signedBy)).toEqual(new Set(signers.map(({ keyId }) => keyId)));
    expect(await kept(version)).toEqual({ rows: 4, objects: 4 });
  });

  it('sent twice at once is kept once', async () => {
    const { version, signer } = await quarantined();
    const envelope = signer.sign(version.facts);
    await Promise.all([sign(version, envelope), sign(version, envelope)]);
    expect(await kept(version)).toEqual({ rows: 2, objects: 2 });
    expect(await on.versionStatus(version)).toBe('published');
  });

  it('that comes while the version is being judged is not overlooked', async () => {
    const { version, signer } = await quarantined();
    const versions = createVersionTrustStore(on.db);
    const { revision } = await on.trust.current();
    const judged = await versions.find(version.versionId);
    await sign(version, signer.sign(version.facts));
    if (!judged) throw new Error('the version is gone');
    const reason = { code: 'SIGNATURE_REVOKED', message: 'judged without it' } as const;
    const verdict = { revision, policy: 'required', keyIds: [], reason } as const;
    expect(await versions.record(judged, verdict)).toBe(false);
    expect(await on.versionStatus(version)).toBe('published');
  });

  it('has nobody wait for a pass over everything else that is published', async () => {
    const { version, signer } = await quarantined();
    const other = await on.published(newSigner());
    await on.db('extension_trust').increment('revision', 1);
    await sign(version, signer.sign(version.facts));
    expect(await on.versionStatus(version)).toBe('published');
    expect(await on.versionStatus(other)).toBe('published');
    expect(await on.trust.overview()).toMatchObject({ left: 1 });
  });
});

describe('a signature that does not count', () => {
  const [known, unknown] = [newSigner(), newSigner()];
  const retired = newSigner({ state: 'retired' });
  const elsewhere = newSigner({ publishers: ['somebody-else'] });
  const past = newSigner({ notAfter: '2020-01-01T00:00:00Z' });
  const both = ({ facts }: Published, ...signers: Signer[]): DsseEnvelope => {
    const [first, ...more] = signers.map((signer) => signer.sign(facts));
    if (!first) throw new Error('nobody signs');
    return { ...first, signatures: [first, ...more].flatMap(({ signatures }) => signatures) };
  };
  const raw = (payload: string, type = IN_TOTO_TYPE): DsseEnvelope =>
    signEnvelope(known.privateKey, known.keyId, type, Buffer.from(payload));

  it.each<[string, (version: Published) => DsseEnvelope, string]>([
    [
      'another bundle',
      ({ facts }) => known.sign({ ...facts, contentHash: `sha256:${'0'.repeat(64)}` }),
      'another bundle',
    ],
    [
      'another manifest',
      ({ facts }) => known.sign({ ...facts, manifestSha256: '0'.repeat(64) }),
      'another manifest.json',
    ],
    [
      'another version',
      ({ facts }) => known.sign({ ...facts, version: '9.9.9' }),
      'another version than manifest.json',
    ],
    ['the bundle, by a key that nobody trusts', ({ facts }) => unknown.sign(facts), 'no key that is trusted'],
    [
      'the bundle, by a key that is retired',
      ({ facts }) => retired.sign(facts),
      'is retired and signs nothing new',
    ],
    [
      "the bundle, by another publisher's key",
      ({ facts }) => elsewhere.sign(facts),
      'may not sign for the publisher',
    ],
    ['the bundle, by a key whose time is over', ({ facts }) => past.sign(facts), 'was valid until'],
    [
      'the bundle, by a trusted key and by one that is not',
      (version) => both(version, known, unknown),
      'no key that is trusted',
    ],
    [
      'the bundle, by a trusted key and by a retired one',
      (version) => both(version, known, retired),
      'is retired',
    ],
    ['nothing that can be read', () => raw('{'), 'is no in-toto statement'],
    ['something of another type', () => raw('{}', 'application/json'), 'is not valid, or over something'],
  ])(
    'because it is over %s, is refused and told why, and nothing is kept of it',
    async (_what, envelopeOf, why) => {
      const version = await on.published(newSigner());
      await trust(known, retired, elsewhere, past);
      const before = await kept(version);
      const asked = on.begin('signVersion', inputOf(version, envelopeOf(version)));
      const refusal = fromTemporalError(await asked.catch((err: unknown) => err));
      expect(refusal).toMatchObject({ code: 'SIGNATURE_INVALID', message: expect.stringContaining(why) });
      expect(await kept(version)).toEqual(before);
      expect(await on.versionStatus(version)).toBe('quarantined');
      expect(await on.trust.overview()).toMatchObject({ left: 0 });
    },
  );

  it.each<[string, (version: Published) => DsseEnvelope]>([
    [
      'about another bundle',
      ({ facts }) => known.sign({ ...facts, contentHash: `sha256:${'0'.repeat(64)}` }),
    ],
    ['of another type', () => raw('{}', 'application/json')],
    ['that cannot be read', () => raw('{')],
  ])(
    'is refused where nobody asks for signatures, too, if it holds something %s',
    async (_what, envelopeOf) => {
      const version = await on.published(undefined);
      expect(await failureCode(on.begin('signVersion', inputOf(version, envelopeOf(version))))).toBe(
        'SIGNATURE_INVALID',
      );
      expect(await kept(version)).toEqual({ rows: 0, objects: 0 });
    },
  );

  it('because the publisher is not its tenant, the version is revoked, or there is none, is refused', async () => {
    const { version, signer } = await quarantined();
    const envelope = signer.sign(version.facts);
    const asked = (fields: object) =>
      failureCode(on.begin('signVersion', inputOf(version, envelope, fields)));
    expect(await asked({ tenantId: await seedTenant(on.db) })).toBe('PUBLISHER_NOT_YOURS');
    expect(await asked({ versionId: randomUUID() })).toBe('NOT_FOUND');
    const { versionId } = version;
    await on.run('revokeVersion', { versionId, reason: 'it steals', requestedBy: 'operator' });
    expect(await asked({})).toBe('VERSION_REVOKED');
    expect(await kept(version)).toEqual({ rows: 1, objects: 1 });
  });

  it('because as many are there as are kept, is refused and leaves nothing; those that are there can be sent again', async () => {
    const version = await on.published(undefined);
    const envelopes = Array.from({ length: MAX_ENVELOPES }, () => newSigner().sign(version.facts));
    for (const envelope of envelopes) await on.sign(version, envelope, digestOf(envelope));
    const full = { rows: MAX_ENVELOPES, objects: MAX_ENVELOPES };
    expect(await kept(version)).toEqual(full);
    const more = newSigner().sign(version.facts);
    expect(await failureCode(on.begin('signVersion', inputOf(version, more)))).toBe('STATE_CONFLICT');
    expect(await kept(version)).toEqual(full);
  });
});

describe('adding a signature', () => {
  it.each(['addSignature', 'judgeVersions', 'tellInstalls'])(
    'comes to the same when the answer of %s is lost',
    async (activity) => {
      const { version, signer } = await quarantined(2);
      on.watched.reset();
      on.watched.lost.add(activity);
      await sign(version, signer.sign(version.facts));
      expect(on.watched.calls.filter((name) => name === activity).length).toBeGreaterThan(1);
      expect(await on.shown(version)).toMatchObject({ status: 'active' });
      expect(await kept(version)).toEqual({ rows: 2, objects: 2 });
      expect(await on.trust.overview()).toMatchObject({ left: 0 });
    },
  );

  it.each(['addSignature', 'judgeVersions', 'tellInstalls'])(
    'that is cancelled at %s has added it, and what is left of it is done by housekeeping',
    async (activity) => {
      const { version, signer } = await quarantined();
      await on.cancelled(activity, 'signVersion', inputOf(version, signer.sign(version.facts)));
      expect(await kept(version)).toEqual({ rows: 2, objects: 2 });
      await on.run('judgePublished', {});
      expect(await on.shown(version)).toMatchObject({ status: 'active' });
      expect(await on.trust.overview()).toMatchObject({ left: 0 });
    },
  );

  it('goes on in a new run without adding it once more', async () => {
    const { version, signer } = await quarantined();
    const progress = { versions: 50, quarantined: 0, released: 50, installs: 7, left: 1 };
    const pass = { progress, revision: 2, telling: { versionIds: [version.versionId] } };
    on.watched.reset();
    expect(await sign(version, signer.sign(version.facts), { pass })).toMatchObject({
      versions: 50,
      installs: 8,
    });
    expect(on.watched.calls).not.toContain('addSignature');
    expect(on.watched.calls).not.toContain('reportTrust');
  });
});

function digestOf(envelope: DsseEnvelope): string {
  return createHash('sha256').update(canonicalJson(envelope)).digest('hex');
}
