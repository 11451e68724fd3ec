import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { buffer } from 'node:stream/consumers';
import type { DsseEnvelope } from '../../core/dsse-envelope.ts';
import { createTrustStore } from '../../platform/db/trust.ts';
import { createRegistryStore, type ExtensionVersion } from '../../platform/db/registry.ts';
import { createUploadStore, type Upload } from '../../platform/db/uploads.ts';
import { payloadDigest } from '../../platform/signatures/bundle-statement.ts';
import { ARTIFACT, beginPublish } from '../support/fake-publish.ts';
import { startPublishEnvironment, type PublishEnvironment } from '../support/publish-environment.ts';
import { newSigner, type Signer } from '../support/signing.ts';

type Input = Awaited<ReturnType<PublishEnvironment['uploaded']>>;

let on: PublishEnvironment;
beforeAll(async () => {
  on = await startPublishEnvironment('publish_signatures');
});
afterAll(() => on.stop());
beforeEach(async () => {
  on.reset();
  await on.db('extension_trust_key').delete();
});

const trust = (...signers: Signer[]): Promise<unknown> =>
  Promise.all(signers.map(({ trusted }) => createTrustStore(on.db, undefined).add(trusted, 'operator')));

/** As finalize does, to its end. */
async function publish(input: Input, signature?: DsseEnvelope): Promise<Upload> {
  const uploads = createUploadStore(on.db);
  const { tenantId, uploadId } = input;
  if (signature) await uploads.sign(tenantId, uploadId, signature);
  await (await beginPublish(on.client, input)).result();
  const upload = await uploads.find(tenantId, uploadId);
  if (!upload) throw new Error('the upload is gone');
  return upload;
}
const checkOf = ({ checks }: Upload) => checks.filter(({ name }) => name === 'signature');
const versionOf = ({ versionId = '' }: Upload): Promise<ExtensionVersion | undefined> =>
  createRegistryStore(on.db).findVersionById(versionId);
const storedSignature = async (contentHash: string, digest: string): Promise<unknown> => {
  const object = await on.objects.read(on.keys.signature(contentHash, digest));
  return object && JSON.parse((await buffer(object.body)).toString());
};

describe('a bundle', () => {
  it('needs no signature where no key is trusted, and one that it has is kept beside it', async () => {
    const signer = newSigner();
    const input = await on.uploaded();
    const envelope = signer.sign(input.facts);
    const upload = await publish(input, envelope);
    expect(checkOf(upload)).toEqual([
      {
        name: 'signature',
        result: 'skipped',
        required: false,
        detail: expect.stringContaining('no trust bundle'),
      },
    ]);
    expect(await versionOf(upload)).toMatchObject({
      status: 'published',
      trust: { policy: 'optional', signedBy: [] },
    });
    expect(await storedSignature(input.contentHash, payloadDigest(envelope))).toEqual(envelope);
  });

  it('is published with the signature of a trusted key, which the version shows', async () => {
    const signer = newSigner();
    await trust(signer);
    const input = await on.uploaded();
    const envelope = signer.sign(input.facts);
    const upload = await publish(input, envelope);
    expect(upload.status).toBe('published');
    expect(checkOf(upload)).toEqual([
      { name: 'signature', result: 'passed', required: true, detail: `signed by ${signer.keyId}` },
    ]);
    expect(await versionOf(upload)).toMatchObject({
      trust: { policy: 'required', signedBy: [signer.keyId] },
      signatures: [{ digest: payloadDigest(envelope) }],
    });
  });

  it.each<[string, (signer: Signer, input: Input) => DsseEnvelope | undefined, string]>([
    ['without a signature', () => undefined, 'there is none that counts'],
    ['signed by a stranger', (_signer, { facts }) => newSigner().sign(facts), 'by no key that is trusted'],
    [
      'signed as another version',
      (signer, { facts }) => signer.sign({ ...facts, version: '9.9.9' }),
      'another version than manifest.json',
    ],
  ])('is rejected %s, and told what is wrong', async (_what, signatureOf, why) => {
    const signer = newSigner();
    await trust(signer);
    const input = await on.uploaded();
    const upload = await publish(input, signatureOf(signer, input));
    expect(upload).toMatchObject({ status: 'rejected', error: { code: 'SIGNATURE_INVALID' } });
    expect(checkOf(upload)).toEqual([
      { name: 'signature', result: 'failed', required: true, detail: expect.stringContaining(why) },
    ]);
    expect(await on.db('extension_version').where({ upload_id: input.uploadId })).toEqual([]);
  });

  it('is rejected when its key is revoked after it was verified', async () => {
    const signer = newSigner();
    await trust(signer);
    const input = await on.uploaded();
    on.tools.script({
      precompileBundle: async () => {
        await createTrustStore(on.db, undefined).revoke({ ...signer.trusted, reason: 'leaked' }, 'operator');
        return { artifact: ARTIFACT, attempts: 1 };
      },
    });
    const upload = await publish(input, signer.sign(input.facts));
    expect(upload).toMatchObject({ status: 'rejected', error: { code: 'SIGNATURE_INVALID' } });
    expect(checkOf(upload)).toEqual([
      {
        name: 'signature',
        result: 'failed',
        required: true,
        detail: expect.stringContaining('revoked (leaked)'),
      },
    ]);
  });

  it('that was signed by several, one after the other, has all of their envelopes beside it', async () => {
    const [first, second] = [newSigner(), newSigner()];
    await trust(first, second);
    const fields = { publisher: 'Twice Signed', name: 'twice' };
    const input = await on.uploaded(fields);
    await publish(input, first.sign(input.facts));
    const again = await on.uploaded(fields);
    await on.db('extension_publisher').where({ slug: 'twice-signed' }).update({ tenant_id: again.tenantId });
    const upload = await publish(again, second.sign(again.facts));
    expect(upload.status).toBe('published');
    const { signatures = [] } = (await versionOf(upload)) ?? {};
    const envelopes = await Promise.all(
      signatures.map(({ digest }) => storedSignature(again.contentHash, digest)),
    );
    expect(envelopes).toHaveLength(2);
    expect(envelopes).toEqual(expect.arrayContaining([first.sign(again.facts), second.sign(again.facts)]));
  });
});
