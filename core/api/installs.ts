import { z } from 'zod';
import { CAPABILITY_NAMES } from '../capabilities.ts';
import { isExtensionRef } from '../ids.ts';
import { INSTALL_STATUSES } from '../progress.ts';
import { isExactVersion, isWildcardVersion } from '../version.ts';
import { listQuery, pageOf } from './page.ts';
import { problem } from './problem.ts';
import { nothing, type Route } from './route.ts';
import { secretValue } from './install-config.ts';
import {
  capability,
  configChange,
  failureReason,
  grant,
  installRef,
  step,
  time,
  uuid,
  workUnderWay,
} from './values.ts';

/** `status` says what is served; `operation` what changes it now; `pending` what waits to be served. */
export const install = z.object({
  installId: uuid,
  extensionId: uuid,
  /** `publisher.name`. */
  extension: z.string(),
  version: z.string(),
  contentHash: z.string(),
  status: z.enum(INSTALL_STATUSES),
  pending: z.object({ version: z.string(), waitingFor: z.string().optional() }).optional(),
  steps: z.array(step),
  error: failureReason.optional(),
  /** Only for extension:install. */
  config: z.record(z.string(), z.unknown()).optional(),
  configVersion: z.int().nonnegative(),
  secretsVersion: z.int().nonnegative(),
  grants: z.array(grant),
  /** What of these, and of what every install has, the operator has switched off for the tenant; absent if nothing is. */
  switchedOff: z.array(z.string()).optional(),
  operation: z
    .object({ kind: z.string(), workflowId: z.string(), steps: z.array(step), startedAt: time })
    .optional(),
  /** Changes of config or secrets that are not applied, the latest first; absent if there are none. */
  changes: z.array(configChange).optional(),
  /** While it serves one. */
  uiUrl: z.string().optional(),
  previousVersions: z.array(z.string()),
  /** Of one that is uninstalled: when what it holds is removed. Until then it can be restored. */
  purgeAt: time.optional(),
  createdAt: time,
  updatedAt: time,
});
export type InstallAnswer = z.infer<typeof install>;

/** The install as it stands; only where to look while the database does not say. */
const underWay = z.union([
  install.extend(workUnderWay.shape),
  z.object({ installId: uuid, status: z.literal('installing'), ...workUnderWay.shape }),
]);
/** With the install as it stands. */
export const failed = problem.extend({ install: install.optional() });

/** A capability by its name, as it is asked for; or with a narrower scope. */
export const consentItem = z.union([
  z.string(),
  z.strictObject({ capability: z.string(), scope: z.record(z.string(), z.array(z.string())) }),
]);
export type ConsentItem = z.output<typeof consentItem>;

/** 200: it is there already, or was declined. 201: it serves. 202: it runs, or waits for a person. */
export const installExtension = {
  method: 'POST',
  path: '/api/v1/extensions/install',
  body: z.strictObject({
    extension: z.string().refine(isExtensionRef, 'must be a UUID or publisher.name'),
    version: z
      .string()
      .max(64)
      .refine((text) => isExactVersion(text) || isWildcardVersion(text), 'must be like 1.2.3 or 1.2.*')
      .optional(),
    config: z.record(z.string(), z.unknown()).default({}),
    secrets: z.record(z.string(), secretValue).default({}),
    consent: z.union([z.literal('all'), z.array(consentItem).max(100)]).default([]),
  }),
  answers: { 200: install, 201: install, 202: underWay },
  problem: failed,
} satisfies Route;

export const listInstalls = {
  method: 'GET',
  path: '/api/v1/installs',
  query: listQuery,
  answers: { 200: pageOf(install) },
} satisfies Route;

export const readInstall = {
  method: 'GET',
  path: '/api/v1/installs/{installId}',
  params: installRef,
  answers: { 200: install },
} satisfies Route;

/** `done` and `failed` when nothing runs on it and it waits for nobody. 204: the client has seen that. */
export const watchInstall = {
  method: 'GET',
  path: '/api/v1/installs/{installId}/events',
  params: installRef,
  events: install,
  answers: { 204: nothing },
} satisfies Route;

/** The whole of what is left: what is not named is gone. Binds from the next call on. 202: Temporal may have taken it. */
export const narrowGrants = {
  method: 'PUT',
  path: '/api/v1/installs/{installId}/grants',
  params: installRef,
  body: z.strictObject({
    grants: z
      .array(z.strictObject({ capability, scope: z.record(z.string(), z.array(z.string())).optional() }))
      .max(CAPABILITY_NAMES.length),
  }),
  answers: { 200: install, 202: z.object({ installId: uuid, ...workUnderWay.shape }) },
} satisfies Route;

export const decideConsent = {
  method: 'POST',
  path: '/api/v1/installs/{installId}/consent',
  params: installRef,
  body: z.discriminatedUnion('decision', [
    z.strictObject({ decision: z.literal('grant'), capabilities: z.array(consentItem).max(100).optional() }),
    z.strictObject({ decision: z.literal('decline') }),
  ]),
  answers: { 200: install, 201: install, 202: underWay },
  problem: failed,
} satisfies Route;
