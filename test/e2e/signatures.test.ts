import { randomUUID } from 'node:crypto';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { ApiClient } from '../../core/api/client.ts';
import { readInstall } from '../../core/api/installs.ts';
import { listTrustKeys, revokeTrustKey } from '../../core/api/trust-keys.ts';
import type { DsseEnvelope } from '../../core/dsse-envelope.ts';
import { SecretValue } from '../../core/secret-value.ts';
import { openDatabase } from '../../platform/db/database.ts';
import type { BundleFacts } from '../../platform/signatures/bundle-statement.ts';
import { eventually } from '../support/eventually.ts';
import { bundleOf, expectStatus, install, publish } from '../support/extensions.ts';
import { startPlatform, type Answer, type TestPlatform } from '../support/platform.ts';
import { bundleFacts, newSigner } from '../support/signing.ts';

const EXTENSION = 'alga.signed';
const signer = newSigner({ publishers: ['alga'] });
const second = newSigner({ publishers: ['alga'] });
const elsewhere = newSigner({ publishers: ['nine-minds'] });

// One story; each test begins where the one before ended.
describe('a platform that is given a trust bundle', () => {
  const file = path.join(os.tmpdir(), `alga-trust-${randomUUID()}.json`);
  let platform: TestPlatform;
  let operator: ApiClient;
  let params: { installId: string };
  let facts: BundleFacts;

  beforeAll(async () => {
    const keys = [signer, second, elsewhere].map(({ trusted: { publicKey, publishers } }) => ({
      publicKey,
      publishers,
    }));
    writeFileSync(file, JSON.stringify({ version: 1, keys }));
    platform = await startPlatform({ SIGNING_TRUST_BUNDLE: file }, { anew: true });
    operator = platform.as(platform.local.keys.operator);
  }, 900_000);
  afterAll(async () => {
    await platform.close();
    rmSync(file);
  });

  const version = (number: string): Promise<Uint8Array> =>
    bundleOf('hello', { name: 'signed', version: number }, 'quickjs');
  const publishes = (bundle: Uint8Array, signature?: DsseEnvelope): Promise<Answer> =>
    publish(platform, platform.local.keys.admin, bundle, signature);
  const asks = (route: string): Promise<Answer> =>
    platform.request('GET', route, { key: platform.local.keys.user });
  const call = (): Promise<Answer> => asks(`/api/ext/${EXTENSION}/hello/Ada`);
  const page = (): Promise<Answer> => asks(`/ext-ui/${EXTENSION}/index.html`);
  const quarantined = {
    status: 503,
    json: expect.objectContaining({ code: 'INSTALL_QUARANTINED' }) as unknown,
  };

  it('starts without the example, which nobody signed, and says so', async () => {
    // What it says comes by another way than the file by which it is known to be ready.
    await eventually(() => expect(platform.starter.output()).toContain('the example is not published'));
    expect((await asks('/api/ext/alga.hello/hello/Ada')).status).toBe(404);
    const { body } = await operator(listTrustKeys, {});
    expect(body).toMatchObject({ policy: 'required', threshold: 1, judging: { left: 0 } });
    expect(body.items.map(({ keyId }) => keyId)).toEqual(
      [signer, second, elsewhere].map(({ keyId }) => keyId),
    );
  });

  it('publishes what a trusted key signed, installs it and answers its calls', async () => {
    const bundle = await version('1.0.0');
    facts = await bundleFacts(bundle);
    const published = await publishes(bundle, signer.sign(facts));
    expectStatus(published, 201);
    expect(published.json).toMatchObject({
      checks: expect.arrayContaining([
        { name: 'signature', result: 'passed', required: true, detail: `signed by ${signer.keyId}` },
      ]) as unknown,
    });
    const installed = await install(platform, platform.local.keys.admin, { extension: EXTENSION });
    expectStatus(installed, 201);
    params = readInstall.params.parse({ installId: (installed.json as { installId: string }).installId });
    expect((await call()).status).toBe(200);
    expect((await page()).status).toBe(307);
  });

  it.each<[string, (facts: BundleFacts) => DsseEnvelope | undefined, string]>([
    ['unsigned', () => undefined, 'there is none that counts'],
    ["signed by another publisher's key", (facts) => elsewhere.sign(facts), 'may not sign for the publisher'],
  ])('refuses a bundle that is %s, and says why', async (_what, signatureOf, why) => {
    const bundle = await version('2.0.0');
    const refused = await publishes(bundle, signatureOf(await bundleFacts(bundle)));
    expect(refused).toMatchObject({
      status: 422,
      json: {
        code: 'SIGNATURE_INVALID',
        detail: expect.stringContaining(why) as unknown,
        checks: expect.arrayContaining([
          expect.objectContaining({ name: 'signature', result: 'failed', required: true }),
        ]) as unknown,
      },
    });
    expect((await asks(`/api/v1/extensions/${EXTENSION}/versions/2.0.0`)).status).toBe(404);
  });

  it('serves nothing any more of a key that is revoked, and says why', async () => {
    const { keyId } = signer;
    await operator(revokeTrustKey, { params: { keyId }, body: { reason: 'it leaked' } });
    await eventually(async () => expect(await call()).toMatchObject(quarantined));
    expect((await page()).status).toBe(404);
    const { body } = await platform.as(platform.local.keys.admin)(readInstall, { params });
    expect(body).toMatchObject({
      status: 'quarantined',
      error: { code: 'SIGNATURE_REVOKED', message: expect.stringContaining('it leaked') },
    });
  });

  const signs = (envelope: DsseEnvelope): Promise<Answer> =>
    platform.request('POST', `/api/v1/extensions/${EXTENSION}/versions/1.0.0/signatures`, {
      key: platform.local.keys.admin,
      json: envelope,
    });

  it("serves it again once its publisher adds a trusted key's signature, also on a runner that has it no more", async () => {
    const refused = await signs(elsewhere.sign(facts));
    expect(refused).toMatchObject({
      status: 422,
      json: { code: 'SIGNATURE_INVALID', detail: expect.stringContaining('may not sign') as unknown },
    });
    expect(await call()).toMatchObject(quarantined);
    // Its memory is gone: it judges the signatures itself before it loads the bundle.
    process.kill(platform.processes()['runner'] ?? Number.NaN, 'SIGKILL');
    const signed = await signs(second.sign(facts));
    expectStatus(signed, 201);
    expect(signed.json).toMatchObject({
      status: 'published',
      trust: { policy: 'required', signedBy: [second.keyId] },
      signatures: [{}, {}],
    });
    await eventually(async () => expect((await call()).status).toBe(200));
    await eventually(async () => expect((await page()).status).toBe(307));
    const { body } = await platform.as(platform.local.keys.admin)(readInstall, { params });
    expect(body.status).toBe('active');
    expect(body.error).toBeUndefined();
  });

  it('serves it no more once that key is revoked, too', async () => {
    const { keyId } = second;
    await operator(revokeTrustKey, { params: { keyId }, body: { reason: 'it leaked' } });
    await eventually(async () => expect(await call()).toMatchObject(quarantined));
  });

  it('has runners load nothing of it though the rows were made to say that it is good', async () => {
    const db = openDatabase({ url: new SecretValue(platform.local.databaseUrl), poolMax: 1 });
    try {
      await db('extension_version').update({ status: 'published', status_reason: null });
    } finally {
      await db.destroy();
    }
    // What a runner has in memory it does not ask about again.
    process.kill(platform.processes()['runner'] ?? Number.NaN, 'SIGKILL');
    const log = path.join(platform.starter.dataDir, 'logs', 'runner.log');
    await eventually(async () => {
      expect(await call()).toMatchObject(quarantined);
      expect(readFileSync(log, 'utf8')).toContain('"code":"SIGNATURE_REVOKED"');
    });
  });
});
