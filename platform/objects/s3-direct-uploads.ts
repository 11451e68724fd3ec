import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListPartsCommand,
  S3ServiceException,
  type S3Client,
} from '@aws-sdk/client-s3';
import { SignatureV4 } from '@smithy/signature-v4';
import { isPlatformError, PlatformError } from '../../core/errors.ts';
import type { ObjectStoreConfig } from '../config/environment.ts';
import type { DirectUploads, PresignedPut, PresignOptions, StoredPart } from './direct-uploads.ts';
import { assertObjectKey } from './object-key.ts';

const UNSIGNED_PAYLOAD = 'UNSIGNED-PAYLOAD'; // verification reads every byte
/** What S3 says of parts that are not those that it has. */
const NOT_THE_PARTS = ['NoSuchUpload', 'InvalidPart', 'InvalidPartOrder', 'EntityTooSmall'];

/** Of one bucket. */
export type S3Config = Omit<Extract<ObjectStoreConfig, { kind: 's3' }>, 'kind' | 'base'>;

/** Presigned by Signature Version 4 in the query (AWS, "Authenticating Requests: Using Query Parameters"). */
export function createS3DirectUploads(
  config: S3Config,
  client: S3Client,
  /** Runs S3 calls, and nothing of the caller's. */
  s3: <T>(run: () => Promise<T>) => Promise<T>,
): DirectUploads {
  const { bucket, forcePathStyle } = config;
  const endpoint = new URL(config.publicEndpoint ?? config.endpoint);
  const host = forcePathStyle ? endpoint.host : `${bucket}.${endpoint.host}`;
  const base = `${endpoint.pathname.replace(/\/$/, '')}${forcePathStyle ? `/${bucket}` : ''}`;
  const signer = new SignatureV4({
    credentials: { accessKeyId: config.accessKey, secretAccessKey: config.secretKey.reveal() },
    region: config.region,
    service: 's3',
    sha256: client.config.sha256,
    uriEscapePath: false,
    applyChecksum: false,
  });

  async function presign(
    key: string,
    { size, expiresInSeconds }: PresignOptions,
    { query = {}, headers = {} }: { query?: Record<string, string>; headers?: Record<string, string> },
  ): Promise<PresignedPut> {
    assertObjectKey(key);
    const request = {
      method: 'PUT',
      protocol: endpoint.protocol,
      hostname: host,
      path: `${base}/${key}`,
      query,
      headers: {
        ...headers,
        host,
        'content-length': String(size),
        'x-amz-content-sha256': UNSIGNED_PAYLOAD,
      },
    };
    const signed = await signer.presign(request, { expiresIn: expiresInSeconds });
    const url = new URL(`${endpoint.protocol}//${host}${request.path}`);
    for (const [name, value] of Object.entries(signed.query ?? {})) url.searchParams.set(name, String(value));
    return { url: url.href, headers };
  }

  async function* partsOf(key: string, storeUploadId: string): AsyncGenerator<StoredPart> {
    const upload = { Bucket: bucket, Key: key, UploadId: storeUploadId };
    let after: string | undefined;
    // Not the paginator of the SDK: it goes on for as long as there is a marker, and some S3 send one with the last page.
    for (;;) {
      const command = new ListPartsCommand({ ...upload, PartNumberMarker: after });
      const page = await s3(() => client.send(command));
      for (const { PartNumber: number, Size: size, ETag: etag } of page.Parts ?? []) {
        if (number !== undefined && size !== undefined && etag !== undefined) yield { number, size, etag };
      }
      if (page.IsTruncated !== true) return;
      after = page.NextPartNumberMarker;
    }
  }

  return {
    presignPut: (key, { contentType, ...options }) =>
      presign(key, options, { headers: { 'content-type': contentType } }),

    async beginParts(key, { contentType }) {
      assertObjectKey(key);
      const command = new CreateMultipartUploadCommand({
        Bucket: bucket,
        Key: key,
        ContentType: contentType,
      });
      const { UploadId } = await s3(() => client.send(command));
      if (UploadId === undefined)
        throw new PlatformError('OBJECT_STORE_UNAVAILABLE', 'the object store began an upload without an id');
      return UploadId;
    },

    presignPart: (key, storeUploadId, { number, ...options }) =>
      presign(key, options, { query: { partNumber: String(number), uploadId: storeUploadId } }),

    async listParts(key, storeUploadId) {
      assertObjectKey(key);
      try {
        const parts: StoredPart[] = [];
        for await (const part of partsOf(key, storeUploadId)) parts.push(part);
        return parts.sort((one, other) => one.number - other.number);
      } catch (err) {
        if (isAnswer(err, ['NoSuchUpload'])) return undefined;
        throw err;
      }
    },

    async completeParts(key, storeUploadId, parts) {
      assertObjectKey(key);
      const Parts = parts.map(({ number, etag }) => ({ PartNumber: number, ETag: etag }));
      const command = new CompleteMultipartUploadCommand({
        ...{ Bucket: bucket, Key: key, UploadId: storeUploadId },
        MultipartUpload: { Parts },
      });
      try {
        await s3(() => client.send(command));
        return true;
      } catch (err) {
        if (isAnswer(err, NOT_THE_PARTS)) return false;
        throw err;
      }
    },

    async abandonParts(key) {
      assertObjectKey(key);
      let after: { KeyMarker?: string | undefined; UploadIdMarker?: string | undefined } = {};
      for (;;) {
        const command = new ListMultipartUploadsCommand({ Bucket: bucket, Prefix: key, ...after });
        const page = await s3(() => client.send(command));
        for (const { Key, UploadId } of page.Uploads ?? []) {
          if (Key !== key) continue;
          await s3(() =>
            client.send(new AbortMultipartUploadCommand({ Bucket: bucket, Key, UploadId })),
          ).catch((err: unknown) => {
            if (!isAnswer(err, ['NoSuchUpload'])) throw err; // ended meanwhile
          });
        }
        if (page.IsTruncated !== true) return;
        after = { KeyMarker: page.NextKeyMarker, UploadIdMarker: page.NextUploadIdMarker };
      }
    },

    async sizeOf(key) {
      assertObjectKey(key);
      try {
        return (await s3(() => client.send(new HeadObjectCommand({ Bucket: bucket, Key: key }))))
          .ContentLength;
      } catch (err) {
        if (isAnswer(err, ['NotFound'])) return undefined;
        throw err;
      }
    },
  };
}

function isAnswer(err: unknown, names: readonly string[]): boolean {
  const cause = isPlatformError(err) ? err.cause : undefined;
  return cause instanceof S3ServiceException && names.includes(cause.name);
}
