import { z } from 'zod';
import { dsseEnvelope } from '../dsse-envelope.ts';
import { PUBLISH_STATUSES } from '../progress.ts';
import { problem } from './problem.ts';
import { bytes, nothing, type Route } from './route.ts';
import { check, time, uuid, workUnderWay } from './values.ts';

const sha256 = z.string().regex(/^[0-9a-f]{64}$/, 'must be 64 hex digits in lower case');
const part = z.object({ number: z.int().min(1), url: z.string() });
/** How the bytes come: through the gateway, or to the object store in one request or in parts, at URLs that are secrets. */
const transfer = z.enum(['proxy', 'single', 'multipart']);
/** `headers`: what requests to the URLs must have. `urlsExpireAt`: presigned ones are good until then; reading the upload gives fresh ones. */
const presigned = {
  headers: z.record(z.string(), z.string()).optional(),
  partSize: z.int().optional(),
  urlsExpireAt: time.optional(),
};
const uploadRef = z.strictObject({ uploadId: uuid });

/** More than any upload has. */
const MAX_PARTS = 100;

/** Content types that a bundle is taken in. */
export const UPLOAD_TYPES = ['application/zstd', 'application/octet-stream'] as const;

export const initiateUpload = {
  method: 'POST',
  path: '/api/ext-bundles/initiate-upload',
  body: z.strictObject({
    filename: z
      .string()
      .min(1)
      .max(255)
      .regex(/^\P{Cc}*$/u, 'must not have control characters'),
    /** Bytes. */
    size: z.int().min(1),
    sha256: sha256.optional(),
    /** What the bytes will be sent as, and as nothing else. Absent leaves that to upload-proxy; presigned URLs then take `application/zstd`. */
    contentType: z.enum(UPLOAD_TYPES).optional(),
    /** `auto` is `proxy`, which needs no way from the client to the object store. */
    method: z.enum(['auto', 'proxy', 'presigned']).default('auto'),
  }),
  answers: {
    /** `url` unless it comes in parts: then `parts`. */
    201: z.object({
      uploadId: uuid,
      method: transfer,
      url: z.string().optional(),
      parts: z.array(part).optional(),
      ...presigned,
      expiresAt: time,
    }),
  },
} satisfies Route;

export const uploadProxy = {
  method: 'PUT',
  path: '/api/ext-bundles/upload-proxy',
  query: uploadRef,
  body: bytes,
  answers: { 200: z.object({ size: z.int(), sha256 }) },
} satisfies Route;

/** 202 while it runs, 201 with the version it became. */
export const finalizeUpload = {
  method: 'POST',
  path: '/api/ext-bundles/finalize',
  /** `parts`: of an upload in parts, as the object store answered them; absent means those that are there. `signature`: an in-toto statement about the bundle. */
  body: uploadRef.extend({
    parts: z
      .array(z.strictObject({ number: z.int().min(1).max(10_000), etag: z.string().min(1).max(200) }))
      .min(1)
      .max(MAX_PARTS)
      .optional(),
    signature: dsseEnvelope.optional(),
  }),
  answers: {
    201: z.object({
      versionId: uuid,
      extensionId: uuid,
      extension: z.string(),
      version: z.string(),
      contentHash: z.string(),
      checks: z.array(check),
    }),
    202: z.object({ uploadId: uuid, status: z.enum(PUBLISH_STATUSES), ...workUnderWay.shape }),
  },
  problem: problem.extend({ uploadId: uuid.optional(), checks: z.array(check).optional() }),
} satisfies Route;

export const abortUpload = {
  method: 'POST',
  path: '/api/ext-bundles/abort',
  body: uploadRef,
  answers: { 204: nothing },
} satisfies Route;

/** What has arrived and what is missing. */
export const readUpload = {
  method: 'GET',
  path: '/api/ext-bundles/uploads/{uploadId}',
  params: uploadRef,
  answers: {
    200: z.object({
      uploadId: uuid,
      status: z.enum(PUBLISH_STATUSES),
      size: z.int(),
      expiresAt: time,
      method: transfer,
      receivedParts: z.array(
        z.object({ number: z.int(), size: z.int(), sha256: sha256.optional(), etag: z.string().optional() }),
      ),
      parts: z.array(part),
      ...presigned,
    }),
  },
} satisfies Route;
