import { z } from 'zod';
import { isExactVersion, isWildcardVersion } from '../version.ts';
import { secretValue } from './install-config.ts';
import { consentItem, failed, install } from './installs.ts';
import type { Route } from './route.ts';
import { installRef, uuid, workUnderWay } from './values.ts';

/** The install as it stands; only where to look while the database does not say. */
const underWay = z.union([
  install.extend(workUnderWay.shape),
  z.object({
    installId: uuid,
    status: z.enum(['upgrading', 'rolling-back']),
    ...workUnderWay.shape,
  }),
]);

/** 200: it serves that version. 202: it is under way, or waits for a person; `pending` says for what. */
const change = {
  method: 'POST',
  params: installRef,
  answers: { 200: install, 202: underWay },
  problem: failed,
} as const;

/**
 * Puts another version in the place of the one that the install has, which serves until then, and again if the other fails. What the
 * install is stays: one that is paused or disabled stays so. Config is carried over, with what is given put over it; secrets that are
 * not named stay.
 */
export const upgradeInstall = {
  ...change,
  path: '/api/v1/installs/{installId}/upgrade',
  body: z.strictObject({
    version: z
      .string()
      .max(64)
      .refine((text) => isExactVersion(text) || isWildcardVersion(text), 'must be like 1.2.3 or 1.2.*'),
    config: z.record(z.string(), z.unknown()).default({}),
    secrets: z.record(z.string(), secretValue).default({}),
    consent: z.union([z.literal('all'), z.array(consentItem).max(100)]).default([]),
  }),
} satisfies Route;

/**
 * Goes back to a version that the install had, with the config and grants that it had then; secrets stay as they are. Without a version
 * to the one before the last upgrade; once that is taken back, it changes nothing. What waits for a person is declined.
 */
export const rollbackInstall = {
  ...change,
  path: '/api/v1/installs/{installId}/rollback',
  body: z.strictObject({
    version: z.string().max(64).refine(isExactVersion, 'must be like 1.2.3').optional(),
  }),
} satisfies Route;
