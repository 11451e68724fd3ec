import { z } from 'zod';
import { failed, install } from './installs.ts';
import type { Route } from './route.ts';
import { grant, installRef, time, uuid, workUnderWay } from './values.ts';

/** The install as it stands; only where to look while the database does not say. */
const underWay = z.union([
  install.extend(workUnderWay.shape),
  z.object({
    installId: uuid,
    status: z.enum(['enabling', 'disabling', 'pausing', 'resuming', 'uninstalling', 'restoring']),
    ...workUnderWay.shape,
  }),
]);

/** 200: it is so already, or became so within the time that was waited. 202: it is under way. */
const operation = {
  method: 'POST',
  params: installRef,
  answers: { 200: install, 202: underWay },
  problem: failed,
} as const;

/** Lets a disabled install serve again, once its version has been loaded and has answered its probe. */
export const enableInstall = { ...operation, path: '/api/v1/installs/{installId}/enable' } satisfies Route;

/** Refuses calls at once as if it were not installed, ends what runs on it, and waits for the calls that had begun. */
export const disableInstall = { ...operation, path: '/api/v1/installs/{installId}/disable' } satisfies Route;

/** Refuses calls with 503 and Retry-After. */
export const pauseInstall = { ...operation, path: '/api/v1/installs/{installId}/pause' } satisfies Route;

export const resumeInstall = { ...operation, path: '/api/v1/installs/{installId}/resume' } satisfies Route;

/**
 * Refuses calls at once, ends what runs on it, and removes what it holds after seven days, or at once with `purge=now`. 200: it is
 * uninstalled, or had ended before it served.
 */
export const uninstallInstall = {
  ...operation,
  method: 'DELETE',
  path: '/api/v1/installs/{installId}',
  query: z.strictObject({ purge: z.literal('now').optional() }),
} satisfies Route;

/** Takes an uninstall back, as long as the purge has not begun. */
export const restoreInstall = { ...operation, path: '/api/v1/installs/{installId}/restore' } satisfies Route;

/** One line of an export: what the install is, its config, grants and records, and at the end how many of these there were. */
const exportLine = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('install'),
    installId: uuid,
    extension: z.string(),
    version: z.string(),
    contentHash: z.string(),
    status: z.string(),
    configVersion: z.int(),
    secretsVersion: z.int(),
    exportedAt: time,
  }),
  z.object({ type: z.literal('config'), config: z.record(z.string(), z.unknown()) }),
  z.object({ type: z.literal('grant'), ...grant.shape }),
  z.object({
    type: z.literal('record'),
    namespace: z.string(),
    key: z.string(),
    /** base64 */
    value: z.string(),
    revision: z.int(),
    createdAt: time,
    updatedAt: time,
    /** From then on it is not there any more. */
    expiresAt: time.nullable(),
  }),
  z.object({ type: z.literal('end'), records: z.int() }),
]);
export type ExportLine = z.output<typeof exportLine>;

/**
 * JSON Lines (application/x-ndjson): all that the install holds but its secrets. Without a last line `end` it is not whole. Records that
 * change meanwhile may be missing: for an export of one moment disable the install first.
 */
export const exportInstall = {
  method: 'GET',
  path: '/api/v1/installs/{installId}/export',
  params: installRef,
  line: exportLine,
  answers: { 200: z.array(exportLine) },
} satisfies Route;
