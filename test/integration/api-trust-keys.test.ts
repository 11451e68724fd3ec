import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { PlatformError } from '../../core/errors.ts';
import { PERMISSIONS } from '../../core/permissions.ts';
import { createTrustStore } from '../../platform/db/trust.ts';
import { createVersionTrustStore } from '../../platform/db/version-trust.ts';
import { eventually } from '../support/eventually.ts';
import { seedVersion } from '../support/seed.ts';
import { newSigner } from '../support/signing.ts';
import {
  installSample,
  problem,
  startApi,
  type InstalledSample,
  type TestApi,
} from '../support/start-api.ts';

const inFile = newSigner({ publishers: ['acme'], name: 'of the file' });
const [added, leaked] = [newSigner(), newSigner()];

let api: TestApi;
let operator: string;
let admin: string;
let sample: InstalledSample;

beforeAll(async () => {
  const { publicKey, publishers, name } = inFile.trusted;
  const file = { version: 1, threshold: 2, keys: [{ publicKey, publishers, name }] };
  api = await startApi('api_trust_keys', () => ({ SIGNING_TRUST_BUNDLE: JSON.stringify(file) }));
  const tenant = await api.tenant();
  admin = tenant.key;
  operator = await api.key(tenant.tenantId, PERMISSIONS);
  sample = await installSample(api, tenant.tenantId);
});
afterAll(() => api.close());

const keyOf = async (keyId: string) =>
  (await api.request('GET', `/api/v1/trust-keys/${keyId}`, { key: operator })).json;
const add = (json: object, key = operator) => api.request('POST', '/api/v1/trust-keys', { key, json });

describe('keys that are trusted', () => {
  it('are those of the trust bundle and those that an operator added', async () => {
    const { publicKey } = leaked.trusted;
    const answer = await add({
      publicKey,
      publishers: ['acme', 'other'],
      name: 'added',
      notAfter: '2030-01-01T00:00:00Z',
    });
    expect(answer).toMatchObject({
      status: 202,
      json: { keyId: leaked.keyId, status: 'judging', workflowId: `trust-key:${leaked.keyId}` },
    });
    expect(answer.headers.get('location')).toBe(`/api/v1/trust-keys/${leaked.keyId}`);
    const { json } = await api.request('GET', '/api/v1/trust-keys', { key: operator });
    expect(json).toMatchObject({ policy: 'required', threshold: 2, judging: { left: 1 } });
    expect(json['items']).toEqual([
      { ...inFile.trusted },
      {
        keyId: leaked.keyId,
        publicKey,
        name: 'added',
        publishers: ['acme', 'other'],
        notAfter: '2030-01-01T00:00:00.000Z',
        state: 'active',
      },
    ]);
  });

  it.each([
    ['without a scope', { publicKey: added.trusted.publicKey }, 'publishers'],
    ['that are none', { publicKey: 'x', publishers: ['*'] }, 'publicKey'],
    ['under another id', { publicKey: added.trusted.publicKey, keyId: 'x', publishers: ['*'] }, 'keyId'],
  ])('%s are refused, and it is said where', async (_what, body, path) => {
    const { status, json } = await add(body);
    expect({ status, issues: json['issues'] }).toEqual({
      status: 400,
      issues: [expect.objectContaining({ path })],
    });
  });

  it('are revoked for good, also one of the trust bundle', async () => {
    for (const { keyId } of [leaked, inFile]) {
      const revoked = await api.request('POST', `/api/v1/trust-keys/${encodeURIComponent(keyId)}/revoke`, {
        key: operator,
        json: { reason: 'it leaked' },
      });
      expect(revoked).toMatchObject({ status: 202, json: { keyId, workflowId: `revoke-key:${keyId}` } });
      expect(await keyOf(keyId)).toMatchObject({ state: 'revoked', reason: 'it leaked' });
    }
    const { publicKey } = leaked.trusted;
    expect(await add({ publicKey, publishers: ['*'] })).toMatchObject(problem(409, 'STATE_CONFLICT'));
  });

  it('are nothing for anybody but operators, and there is no other', async () => {
    const keyId = `sha256:${'0'.repeat(64)}`;
    const asked = [
      ['GET', ''],
      ['GET', `/${keyId}`],
      ['POST', ''],
      ['POST', `/${keyId}/revoke`],
    ] as const;
    for (const [method, path] of asked) {
      const answer = await api.request(method, `/api/v1/trust-keys${path}`, {
        key: admin,
        ...(method === 'POST' && { json: {} }),
      });
      expect(answer).toMatchObject(problem(403, 'FORBIDDEN'));
    }
    expect(await api.request('GET', `/api/v1/trust-keys/${keyId}`, { key: operator })).toMatchObject(
      problem(404, 'NOT_FOUND'),
    );
    const json = { reason: 'unknown' };
    const revoked = await api.request('POST', `/api/v1/trust-keys/${keyId}/revoke`, { key: operator, json });
    expect(revoked).toMatchObject(problem(404, 'NOT_FOUND'));
  });
});

describe('an install whose version is quarantined', () => {
  const call = () => api.request('GET', `/api/ext/${sample.extensionId}/notes/1`, { key: admin });
  const shown = () => api.request('GET', `/api/v1/installs/${sample.installId}`, { key: admin });
  const reason = {
    code: 'SIGNATURE_REVOKED',
    message: 'its key was revoked. To leave quarantine, …',
  } as const;
  const judge = async (trusted: boolean) => {
    const versions = createVersionTrustStore(api.db);
    const version = await versions.find(sample.versionId);
    const verdict = { revision: 9, policy: 'required', keyIds: [] } as const;
    if (version) await versions.record(version, { ...verdict, ...(!trusted && { reason }) });
  };

  it('is not called, and shows why; once it is trusted again it is what it was', async () => {
    expect((await call()).status).toBe(200);
    await judge(false);
    await eventually(async () => expect(await call()).toMatchObject(problem(503, 'INSTALL_QUARANTINED')));
    expect((await shown()).json).toMatchObject({ status: 'quarantined', error: reason });
    await judge(true);
    await eventually(async () => expect((await call()).status).toBe(200));
    expect((await shown()).json).toMatchObject({ status: 'active' });
  });

  it('may be disabled, but not paused', async () => {
    await judge(false);
    const operate = (verb: string) =>
      api.request('POST', `/api/v1/installs/${sample.installId}/${verb}`, { key: admin });
    expect(await operate('pause')).toMatchObject(problem(409, 'STATE_CONFLICT'));
    expect((await operate('disable')).status).toBe(202);
    await judge(true);
  });
});

describe('Prefer: wait', () => {
  const WAIT = { prefer: 'wait=30' };
  /** What the workflow writes at its end. */
  const report = async () => {
    await api.db('extension_version').update({ trust_revision: 100 });
    const [{ revision }] = (await api.db('extension_trust').select('revision')) as [{ revision: number }];
    const counts = { versions: 1, quarantined: 0, released: 0, installs: 0 };
    const endedAt = new Date().toISOString();
    await createTrustStore(api.db, undefined).report({ ...counts, revision, workflowId: 'w', endedAt });
  };

  it('answers with the key once what is published was held against it, and 202 before', async () => {
    const { publicKey } = newSigner().trusted;
    const json = { publicKey, publishers: ['acme'] };
    const hasty = await api.request('POST', '/api/v1/trust-keys', {
      key: operator,
      json,
      headers: { prefer: 'wait=1' },
    });
    expect(hasty).toMatchObject({ status: 202, json: { status: 'judging' } });
    expect(hasty.headers.get('preference-applied')).toBe('wait=1');
    const { keyId } = hasty.json as { keyId: string };
    const waiting = api.request('POST', '/api/v1/trust-keys', { key: operator, json, headers: WAIT });
    await report();
    expect(await waiting).toMatchObject({
      status: 201,
      json: { keyId, state: 'active', judging: { left: 0, lastPass: { workflowId: 'w' } } },
    });
    const url = `/api/v1/trust-keys/${keyId}/revoke`;
    const revoking = api.request('POST', url, { key: operator, json: { reason: 'leaked' }, headers: WAIT });
    await eventually(async () => expect(await keyOf(keyId)).toMatchObject({ state: 'revoked' }));
    await report();
    expect(await revoking).toMatchObject({ status: 200, json: { keyId, state: 'revoked' } });
  });

  it('answers 202 as long as nobody knows whether it was begun', async () => {
    const { publicKey } = newSigner().trusted;
    await report();
    api.workflows.failsOnce.push(new PlatformError('TEMPORAL_OUTCOME_UNKNOWN', 'unknown'));
    const json = { publicKey, publishers: ['acme'] };
    const headers = { prefer: 'wait=1' };
    const answer = await api.request('POST', '/api/v1/trust-keys', { key: operator, json, headers });
    expect(answer).toMatchObject({ status: 202, json: { status: 'judging' } });
  });

  it('answers with the version once it is revoked', async () => {
    const other = await installSample(api, (await api.tenant()).tenantId);
    const url = `/api/v1/extensions/${other.extensionId}/versions/1.0.0/revoke`;
    const json = { reason: 'it steals' };
    expect(await api.request('POST', url, { key: operator, json, headers: WAIT })).toMatchObject({
      status: 200,
      json: { versionId: other.versionId, status: 'revoked', permissions: expect.any(Array) },
    });
  });
});

describe('a publisher', () => {
  const asked = (key: string, method: string, path: string, more: object = {}) =>
    api.request(method, `/api/v1/publishers/${path}`, { key, ...more });

  it('is given to another tenant, which publishes under its name from then on', async () => {
    const [owner, next] = [await api.tenant(), await api.tenant()];
    await seedVersion(api.db, owner.tenantId, { publisher: 'Nine Minds', name: 'given' });
    expect((await asked(operator, 'GET', 'nine-minds')).json).toMatchObject({
      ...{ publisher: 'nine-minds', name: 'Nine Minds', tenantId: owner.tenantId },
    });
    const json = { tenantId: next.tenantId, reason: 'the company was sold' };
    const given = await asked(operator, 'POST', 'Nine%20Minds/transfer', { json });
    const url = '/api/v1/publishers/nine-minds';
    expect(given).toMatchObject({
      status: 202,
      json: {
        ...{ publisher: 'nine-minds', status: 'transferring', url },
        workflowId: 'transfer-publisher:nine-minds',
      },
    });
    expect(given.headers.get('location')).toBe(url);
    const again = await asked(operator, 'POST', 'nine-minds/transfer', {
      json,
      headers: { prefer: 'wait=5' },
    });
    expect(again).toMatchObject({
      status: 200,
      json: { tenantId: next.tenantId, lastTransfer: { from: owner.tenantId, reason: json.reason } },
    });
  });

  it('is nothing for anybody but operators, its owner and who gets it included', async () => {
    const [owner, next] = [await api.tenant(), await api.tenant()];
    await seedVersion(api.db, owner.tenantId, { publisher: 'Kept', name: 'kept' });
    for (const { tenantId, key } of [owner, next]) {
      expect(await asked(key, 'GET', 'kept')).toMatchObject(problem(403, 'FORBIDDEN'));
      const json = { tenantId, reason: 'mine' };
      expect(await asked(key, 'POST', 'kept/transfer', { json })).toMatchObject(problem(403, 'FORBIDDEN'));
    }
    const { json } = await asked(operator, 'GET', 'kept');
    expect(json).toMatchObject({ tenantId: owner.tenantId });
    expect(json).not.toHaveProperty('lastTransfer');
  });

  it('that is none, or a tenant that is none, is said to be so, and nothing is begun', async () => {
    const { tenantId } = await api.tenant();
    const json = { tenantId: randomUUID(), reason: 'sold' };
    expect(await asked(operator, 'POST', 'nobody/transfer', { json })).toMatchObject(
      problem(404, 'NOT_FOUND'),
    );
    await seedVersion(api.db, tenantId, { publisher: 'Stays', name: 'stays' });
    const refused = await asked(operator, 'POST', 'stays/transfer', { json });
    expect(refused).toMatchObject(problem(400, 'INPUT_INVALID'));
    expect(refused.json['issues']).toMatchObject([{ path: 'tenantId' }]);
    expect((await asked(operator, 'GET', 'stays')).json).toMatchObject({ tenantId });
  });
});

describe('a version that an operator revokes', () => {
  it('is shown as revoked with the reason, and nobody else may revoke it', async () => {
    const url = `/api/v1/extensions/${sample.extensionId}/versions/1.0.0`;
    const json = { reason: 'it steals' };
    expect(await api.request('POST', `${url}/revoke`, { key: admin, json })).toMatchObject(
      problem(403, 'FORBIDDEN'),
    );
    const revoked = await api.request('POST', `${url}/revoke`, { key: operator, json });
    expect(revoked).toMatchObject({
      status: 202,
      json: {
        versionId: sample.versionId,
        status: 'revoked',
        url,
        workflowId: `revoke-version:${sample.versionId}`,
      },
    });
    expect((await api.request('GET', url, { key: admin })).json).toMatchObject({
      status: 'revoked',
      statusReason: { code: 'VERSION_REVOKED', message: expect.stringContaining('it steals') },
      trust: { policy: 'required', signedBy: [] },
      signatures: [],
    });
  });
});
