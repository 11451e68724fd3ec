import { createHash } from 'node:crypto';
import {
  AbortMultipartUploadCommand,
  CopyObjectCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  paginateListObjectsV2,
  ListMultipartUploadsCommand,
  S3Client,
  S3ServiceException,
  type CopyObjectCommandInput,
  type HeadObjectCommandOutput,
} from '@aws-sdk/client-s3';
import { PlatformError, isPlatformError } from '../../core/errors.ts';
import { assertObjectKey } from './object-key.ts';
import type { ObjectStore, PutOnceOptions, ReadOptions, StoredObject } from './object-store.ts';
import { createS3DirectUploads, type S3Config } from './s3-direct-uploads.ts';
import { SHA256_METADATA, uploadObject } from './s3-upload.ts';

const CONNECT_MS = 5_000;
/** Without a byte in either direction. */
const SILENCE_MS = 30_000;
const ATTEMPTS = 3;

/**
 * Objects in one bucket, which must exist. Needs s3:GetObject, s3:PutObject, s3:DeleteObject and s3:AbortMultipartUpload on
 * its keys, s3:ListMultipartUploadParts for uploads that clients send themselves, s3:ListBucketMultipartUploads, and s3:ListBucket,
 * without which S3 answers 403 where nothing is.
 */
export function createS3ObjectStore(config: S3Config): ObjectStore {
  const { bucket } = config;
  const where = `bucket ${bucket} at ${new URL(config.endpoint).host}`;
  const client = new S3Client({
    endpoint: config.endpoint,
    region: config.region,
    credentials: { accessKeyId: config.accessKey, secretAccessKey: config.secretKey.reveal() },
    forcePathStyle: config.forcePathStyle,
    // The newer checksums are not understood by every S3; ours are the content hashes.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    maxAttempts: ATTEMPTS,
    requestHandler: { connectionTimeout: CONNECT_MS, socketTimeout: SILENCE_MS },
  });

  function unavailable(cause: unknown): PlatformError {
    const answer = cause instanceof S3ServiceException ? ` (${cause.name})` : '';
    return new PlatformError(
      'OBJECT_STORE_UNAVAILABLE',
      `the object store (${where}) did not do its part${answer}`,
      {
        cause,
      },
    );
  }

  /** Runs S3 calls, and nothing of the caller's, so that every error is the store's. */
  async function s3<T>(run: () => Promise<T>): Promise<T> {
    try {
      return await run();
    } catch (cause) {
      throw unavailable(cause);
    }
  }

  async function read(key: string, options: ReadOptions = {}): Promise<StoredObject | undefined> {
    assertObjectKey(key);
    const { range } = options;
    const wanted = range === undefined ? {} : { Range: `bytes=${range.start}-${range.end - 1}` };
    const abortable = options.signal === undefined ? {} : { abortSignal: options.signal };
    try {
      const { Body, ContentLength } = await client.send(
        new GetObjectCommand({ Bucket: bucket, Key: key, ...wanted }),
        abortable,
      );
      if (Body === undefined || ContentLength === undefined) throw new TypeError('an answer without a body');
      return {
        size: ContentLength,
        body: bodyOf(Body as AsyncIterable<Uint8Array>, ContentLength, options.signal),
      };
    } catch (cause) {
      if (isAnswer(cause, 'NoSuchKey')) return undefined;
      if (isAnswer(cause, 'InvalidRange')) return { size: 0, body: bodyOf(nothing(), 0, undefined) };
      options.signal?.throwIfAborted();
      throw unavailable(cause);
    }
  }

  async function* bodyOf(
    body: AsyncIterable<Uint8Array>,
    size: number,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<Uint8Array> {
    let left = size;
    try {
      for await (const chunk of body) {
        if (signal?.aborted) break;
        left -= chunk.length;
        yield chunk;
      }
    } catch (cause) {
      throw unavailable(cause);
    }
    signal?.throwIfAborted();
    if (left !== 0) throw unavailable(new Error(`the body is ${left} bytes short of its length`));
  }

  async function headOf(key: string): Promise<HeadObjectCommandOutput | undefined> {
    try {
      return await s3(() => client.send(new HeadObjectCommand({ Bucket: bucket, Key: key })));
    } catch (err) {
      if (isAnswer(causeOf(err), 'NotFound')) return undefined;
      throw err;
    }
  }

  async function copied(from: string, to: string, how: Partial<CopyObjectCommandInput>): Promise<boolean> {
    const copy = new CopyObjectCommand({ Bucket: bucket, Key: to, CopySource: `${bucket}/${from}`, ...how });
    try {
      await s3(() => client.send(copy));
      return true;
    } catch (err) {
      if (isAnswer(causeOf(err), 'NoSuchKey')) return false;
      throw err;
    }
  }

  async function mustHold(key: string, bytes: PutOnceOptions): Promise<void> {
    if (await holds(key, bytes)) return;
    throw new PlatformError('OBJECT_CONFLICT', `the object ${key} is there already with other bytes`);
  }

  /** Whether the object that is there has these bytes: by the sha256 its writer proved, else by reading it. */
  async function holds(key: string, { sha256, size }: PutOnceOptions): Promise<boolean> {
    const head = await headOf(key);
    if (head?.ContentLength !== size) return false;
    const recorded = head.Metadata?.[SHA256_METADATA];
    if (recorded !== undefined) return recorded === sha256;
    const object = await read(key);
    const hash = createHash('sha256');
    for await (const chunk of object?.body ?? []) hash.update(chunk);
    return hash.digest('hex') === sha256;
  }

  return {
    read,

    async put(key, source, options = {}) {
      assertObjectKey(key);
      return uploadObject({ client, bucket, key, source, signal: options.signal, s3 });
    },

    async putOnce(key, source, options) {
      assertObjectKey(key);
      try {
        await uploadObject({ client, bucket, key, source, signal: options.signal, once: options, s3 });
      } catch (err) {
        if (!isAnswer(causeOf(err), 'PreconditionFailed')) throw err;
        await mustHold(key, options);
      }
    },

    copy(from, to) {
      assertObjectKey(from);
      assertObjectKey(to);
      return copied(from, to, {});
    },

    async copyOnce(from, to, bytes) {
      assertObjectKey(from);
      assertObjectKey(to);
      // Looked for first: not every S3 heeds the condition of a copy. Of two copies at once both have the same bytes.
      if (await headOf(to)) {
        await mustHold(to, bytes);
        return true;
      }
      const metadata = {
        Metadata: { [SHA256_METADATA]: bytes.sha256 },
        MetadataDirective: 'REPLACE',
      } as const;
      try {
        return await copied(from, to, { ...metadata, IfNoneMatch: '*' });
      } catch (err) {
        if (!isAnswer(causeOf(err), 'PreconditionFailed')) throw err;
        await mustHold(to, bytes);
        return true;
      }
    },

    async remove(key) {
      assertObjectKey(key);
      await s3(() => client.send(new DeleteObjectCommand({ Bucket: bucket, Key: key })));
    },

    async *list(prefix) {
      assertObjectKey(prefix.slice(0, -1));
      const pages = paginateListObjectsV2({ client }, { Bucket: bucket, Prefix: prefix });
      for (;;) {
        const page = await s3(() => pages.next());
        if (page.done === true) return;
        for (const { Key: key, LastModified: modifiedAt } of page.value.Contents ?? []) {
          if (key !== undefined && modifiedAt !== undefined) yield { key, modifiedAt };
        }
      }
    },

    async removeUnfinished(prefix, { before, dryRun }) {
      assertObjectKey(prefix.slice(0, -1));
      let count = 0;
      let after: { KeyMarker?: string | undefined; UploadIdMarker?: string | undefined } = {};
      for (;;) {
        const command = new ListMultipartUploadsCommand({ Bucket: bucket, Prefix: prefix, ...after });
        const page = await s3(() => client.send(command));
        for (const { Key, UploadId, Initiated } of page.Uploads ?? []) {
          if (Initiated === undefined || Initiated >= before) continue;
          count += 1;
          if (dryRun) continue;
          const abort = new AbortMultipartUploadCommand({ Bucket: bucket, Key, UploadId });
          await s3(() => client.send(abort)).catch((err: unknown) => {
            if (!isAnswer(causeOf(err), 'NoSuchUpload')) throw err; // ended meanwhile
          });
        }
        if (page.IsTruncated !== true) return count;
        after = { KeyMarker: page.NextKeyMarker, UploadIdMarker: page.NextUploadIdMarker };
      }
    },

    direct: createS3DirectUploads(config, client, s3),

    describe: () => `S3 ${where}`,
  };
}

async function* nothing(): AsyncGenerator<Uint8Array> {
  // Of a range past the end.
}

function isAnswer(err: unknown, name: string): boolean {
  return err instanceof S3ServiceException && err.name === name;
}

function causeOf(err: unknown): unknown {
  return isPlatformError(err) ? err.cause : undefined;
}
