import { z } from 'zod';
import { failed, install } from './installs.ts';
import type { Route } from './route.ts';
import { installRef, uuid, workUnderWay } from './values.ts';

/** The install as it stands; only where to look while the database does not say. */
const underWay = z.union([
  install.extend(workUnderWay.shape),
  z.object({
    installId: uuid,
    status: z.enum(['enabling', 'disabling', 'pausing', 'resuming']),
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
