import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  PutObjectCommand,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import type { CompletedPart, S3Client } from '@aws-sdk/client-s3';
import { createByteCount } from './announced-bytes.ts';
import type { ByteSource, PutOnceOptions } from './object-store.ts';

/** At least 5 MiB, S3's least; 10,000 parts, its most, make 80 GiB. Also what one upload holds in memory. */
const PART_BYTES = 8 * 1024 * 1024;
/** Metadata of write-once objects: their sha256, which S3's own checksum of a multipart object is not. */
export const SHA256_METADATA = 'sha256';

export interface S3Upload {
  client: S3Client;
  bucket: string;
  key: string;
  source: ByteSource;
  signal?: AbortSignal | undefined;
  /** Given: written only if there is no such object and only if the bytes are these. */
  once?: PutOnceOptions;
  /** Runs S3 calls, and nothing of the caller's. */
  s3: <T>(run: () => Promise<T>) => Promise<T>;
}

/** Writes bytes of unknown length, whole or not at all. Small ones in one request, others in parts. */
export async function uploadObject(upload: S3Upload): Promise<number> {
  const { client, s3, once } = upload;
  const target = { Bucket: upload.bucket, Key: upload.key };
  const condition = once === undefined ? {} : { IfNoneMatch: '*' };
  const metadata = once === undefined ? {} : { Metadata: { [SHA256_METADATA]: once.sha256 } };
  const abortable = upload.signal === undefined ? {} : { abortSignal: upload.signal };
  const count = createByteCount(once);
  const parts: CompletedPart[] = [];
  let uploadId: string | undefined;

  try {
    for await (const part of inParts(upload.source)) {
      upload.signal?.throwIfAborted();
      count.add(part);
      if (part.length < PART_BYTES && uploadId === undefined) {
        count.end();
        const command = new PutObjectCommand({ ...target, ...condition, ...metadata, Body: part });
        await s3(() => client.send(command, abortable));
        return count.size;
      }
      if (part.length === 0) break;
      uploadId ??= (
        await s3(() => client.send(new CreateMultipartUploadCommand({ ...target, ...metadata }), abortable))
      ).UploadId;
      const PartNumber = parts.length + 1;
      const command = new UploadPartCommand({ ...target, UploadId: uploadId, PartNumber, Body: part });
      const { ETag } = await s3(() => client.send(command, abortable));
      parts.push({ PartNumber, ETag });
    }
    count.end();
    const command = new CompleteMultipartUploadCommand({
      ...target,
      ...condition,
      UploadId: uploadId,
      MultipartUpload: { Parts: parts },
    });
    await s3(() => client.send(command, abortable));
    return count.size;
  } catch (err) {
    if (uploadId !== undefined) await abandon(client, { ...target, UploadId: uploadId });
    upload.signal?.throwIfAborted(); // the caller's own wish is no fault of the store
    throw err;
  }
}

/** The parts of an upload that will not be completed; a bucket's lifecycle rule takes those that this cannot. */
async function abandon(
  client: S3Client,
  upload: { Bucket: string; Key: string; UploadId: string },
): Promise<void> {
  try {
    await client.send(new AbortMultipartUploadCommand(upload));
  } catch {
    // The error that brought us here is the one to tell; parts alone are never an object.
  }
}

/**
 * Pieces of exactly PART_BYTES and at the end one that is shorter, if only empty. A piece is valid until the next is asked for.
 */
async function* inParts(source: ByteSource): AsyncGenerator<Uint8Array> {
  const buffer = new Uint8Array(PART_BYTES);
  let filled = 0;
  for await (const chunk of source instanceof Uint8Array ? [source] : source) {
    for (let at = 0; at < chunk.length;) {
      const piece = chunk.subarray(at, at + PART_BYTES - filled);
      buffer.set(piece, filled);
      filled += piece.length;
      at += piece.length;
      if (filled < PART_BYTES) continue;
      yield buffer;
      filled = 0;
    }
  }
  yield buffer.subarray(0, filled);
}
