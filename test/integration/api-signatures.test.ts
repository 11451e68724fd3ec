import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { PlatformError } from '../../core/errors.ts';
import type { BundleFacts } from '../../platform/signatures/bundle-statement.ts';
import { newSigner } from '../support/signing.ts';
import {
  installSample,
  problem,
  startApi,
  type InstalledSample,
  type TestApi,
} from '../support/start-api.ts';

const signer = newSigner();
let api: TestApi;
let owner: string;
let sample: InstalledSample;
beforeAll(async () => {
  api = await startApi('api_signatures');
});
afterAll(() => api.close());
beforeEach(async () => {
  const tenant = await api.tenant();
  owner = tenant.key;
  sample = await installSample(api, tenant.tenantId);
});

const factsOf = ({ contentHash }: InstalledSample): BundleFacts => ({
  ...{ contentHash, manifestSha256: '0'.repeat(64), name: 'sample', version: '1.0.0' },
});
const sign = (json: unknown = signer.sign(factsOf(sample)), key = owner, version = '1.0.0') => {
  const url = `/api/v1/extensions/${sample.extensionId}/versions/${version}/signatures`;
  return api.request('POST', url, { key, json });
};
const signatures = async () => {
  const url = `/api/v1/extensions/${sample.extensionId}/versions/1.0.0`;
  return (await api.request('GET', url, { key: owner })).json['signatures'];
};

describe('a signature for a published version', () => {
  it('is added by the tenant of its publisher, which is answered with the version; once more it changes nothing', async () => {
    const version = { versionId: sample.versionId, status: 'published', permissions: expect.any(Array) };
    for (const added of [await sign(), await sign()]) {
      expect(added).toMatchObject({ status: 201, json: { ...version, signatures: [{}] } });
      const url = `/api/v1/extensions/${sample.extensionId}/versions/1.0.0`;
      expect(added.headers.get('location')).toBe(url);
    }
  });

  it('is for nobody else to add, whatever they may', async () => {
    const stranger = await api.tenant();
    expect(await sign(undefined, stranger.key)).toMatchObject(problem(403, 'PUBLISHER_NOT_YOURS'));
    const reader = await api.key(sample.tenantId, ['extension:read', 'extension:install']);
    expect(await sign(undefined, reader)).toMatchObject(problem(403, 'FORBIDDEN'));
    expect(await signatures()).toEqual([]);
  });

  it.each<[string, unknown, string]>([
    ['without a payload', { payloadType: 'a', signatures: [{ sig: 'AAAA' }] }, 'payload'],
    ['that is no base64', { payloadType: 'a', payload: '{', signatures: [{ sig: 'AAAA' }] }, 'payload'],
    ['without a signature', { payloadType: 'a', payload: 'AAAA', signatures: [] }, 'signatures'],
    [
      'with more than are looked at',
      { payloadType: 'a', payload: 'AAAA', signatures: Array.from({ length: 17 }, () => ({ sig: 'AAAA' })) },
      'signatures',
    ],
    [
      'of a large payload',
      { payloadType: 'a', payload: 'A'.repeat(40_004), signatures: [{ sig: 'AAAA' }] },
      'payload',
    ],
  ])('%s is no DSSE envelope, and it is said where', async (_what, envelope, path) => {
    const { status, json } = await sign(envelope);
    expect({ status, issues: json['issues'] }).toEqual({
      status: 400,
      issues: [expect.objectContaining({ path })],
    });
    expect(await signatures()).toEqual([]);
  });

  it('is not for a version that is revoked, nor for one that is none', async () => {
    expect(await sign(undefined, owner, '9.9.9')).toMatchObject(problem(404, 'NOT_FOUND'));
    await api
      .db('extension_version')
      .where({ version_id: sample.versionId })
      .update({
        status: 'revoked',
        status_reason: JSON.stringify({ code: 'VERSION_REVOKED', message: 'an operator revoked it' }),
      });
    expect(await sign()).toMatchObject(problem(409, 'VERSION_REVOKED'));
    expect(await signatures()).toEqual([]);
  });

  it.each([
    [422, new PlatformError('SIGNATURE_INVALID', 'the signature is not kept: it is by nobody')],
    [409, new PlatformError('STATE_CONFLICT', 'as many are there as are kept')],
    [503, new PlatformError('TEMPORAL_UNAVAILABLE', 'nothing was begun')],
  ])('that is refused, or not begun, is answered %i with what there is to say', async (status, error) => {
    api.workflows.failsOnce.push(error);
    expect(await sign()).toMatchObject({ status, json: { code: error.code, detail: error.message } });
    expect(await signatures()).toEqual([]);
  });

  it('of which nobody knows whether it was added is answered 202, and can be sent again', async () => {
    api.workflows.failsOnce.push(new PlatformError('TEMPORAL_OUTCOME_UNKNOWN', 'unknown'));
    const envelope = signer.sign(factsOf(sample));
    expect(await sign(envelope)).toMatchObject({
      status: 202,
      json: {
        versionId: sample.versionId,
        status: 'judging',
        url: `/api/v1/extensions/${sample.extensionId}/versions/1.0.0`,
        workflowId: expect.stringMatching(new RegExp(`^sign-version:${sample.versionId}:[0-9a-f]{64}$`)),
      },
    });
    expect((await sign(envelope)).status).toBe(201);
  });

  it('is taken so fast of one key and no faster, and of another as before', async () => {
    const malformed = { payloadType: 'a' };
    const answers = await Promise.all(Array.from({ length: 70 }, () => sign(undefined, owner, '9.9.9')));
    expect(answers.filter(({ status }) => status === 429).length).toBeGreaterThan(0);
    expect((await sign(malformed)).status).toBe(400);
    const other = await api.key(sample.tenantId, ['extension:read', 'extension:publish']);
    expect((await sign(undefined, other)).status).toBe(201);
  });
});
