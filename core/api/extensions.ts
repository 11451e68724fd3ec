import { z } from 'zod';
import { listQuery, pageOf } from './page.ts';
import type { Route } from './route.ts';
import { VERSION_STATUSES } from '../progress.ts';
import { check, failureReason, permission, time, uuid } from './values.ts';

/** What is no UUID and no `publisher.name` is not found. */
const extensionRef = z.strictObject({ extension: z.string() });

const extension = z.object({
  extensionId: uuid,
  /** `publisher.name`. */
  extension: z.string(),
  publisher: z.string(),
  /** What stands for the publisher in an address. */
  publisherSlug: z.string(),
  name: z.string(),
  displayName: z.string(),
  description: z.string(),
  createdAt: time,
});

const versionSummary = z.object({
  versionId: uuid,
  extensionId: uuid,
  extension: z.string(),
  version: z.string(),
  contentHash: z.string(),
  status: z.enum(VERSION_STATUSES),
  /** Why it is not published any more. */
  statusReason: failureReason.optional(),
  publishedAt: time,
});

export const version = versionSummary.extend({
  /** As it was published, defaults filled in; its definition is `core/manifest`. */
  manifest: z.record(z.string(), z.unknown()),
  checks: z.array(check),
  permissions: z.array(permission),
  /** What was needed when it was last judged, and the keys whose signatures counted. */
  trust: z.object({ policy: z.enum(['required', 'optional']), signedBy: z.array(z.string()) }),
  /** Envelopes beside its bundle, by their names there. */
  signatures: z.array(z.object({ digest: z.string(), receivedAt: z.iso.datetime({ offset: true }) })),
});

export const listExtensions = {
  method: 'GET',
  path: '/api/v1/extensions',
  query: listQuery,
  answers: { 200: pageOf(extension) },
} satisfies Route;

export const readExtension = {
  method: 'GET',
  path: '/api/v1/extensions/{extension}',
  params: extensionRef,
  answers: { 200: extension },
} satisfies Route;

export const listVersions = {
  method: 'GET',
  path: '/api/v1/extensions/{extension}/versions',
  params: extensionRef,
  query: listQuery,
  answers: { 200: pageOf(versionSummary) },
} satisfies Route;

export const readVersion = {
  method: 'GET',
  path: '/api/v1/extensions/{extension}/versions/{version}',
  params: extensionRef.extend({ version: z.string() }),
  answers: { 200: version },
} satisfies Route;
