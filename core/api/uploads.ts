import { z } from 'zod';
import { PUBLISH_STATUSES } from '../progress.ts';
import { problem } from './problem.ts';
import { bytes, nothing, type Route } from './route.ts';
import { check, time, uuid, workUnderWay } from './values.ts';

const sha256 = z.string().regex(/^[0-9a-f]{64}$/, 'must be 64 hex digits in lower case');
const part = z.object({ number: z.int().min(1), url: z.string() });
const uploadRef = z.strictObject({ uploadId: uuid });

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
    contentType: z.enum(UPLOAD_TYPES).optional(),
    method: z.enum(['auto', 'proxy', 'presigned']).default('auto'),
  }),
  answers: {
    201: z.object({ uploadId: uuid, method: z.literal('proxy'), url: z.string(), expiresAt: time }),
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
  body: uploadRef,
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
      method: z.literal('proxy'),
      receivedParts: z.array(z.object({ number: z.int(), size: z.int(), sha256 })),
      parts: z.array(part),
    }),
  },
} satisfies Route;
