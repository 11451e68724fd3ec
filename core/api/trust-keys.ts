import { z } from 'zod';
import { dsseEnvelope } from '../dsse-envelope.ts';
import { TRUST_KEY_STATES } from '../trust.ts';
import { newTrustKey } from '../trust-bundle.ts';
import { version } from './extensions.ts';
import { pageOf } from './page.ts';
import type { Route } from './route.ts';
import { reason, uuid, workUnderWay } from './values.ts';

const instant = z.iso.datetime({ offset: true });
const keyRef = z.strictObject({ keyId: z.string() });
const because = z.strictObject({ reason });

export const trustKey = z.object({
  /** `sha256:<hex>` of the public key's SPKI DER. */
  keyId: z.string(),
  /** Ed25519: base64 of its SPKI DER. */
  publicKey: z.string(),
  name: z.string().optional(),
  /** Slugs of the publishers it may sign for; `*` is every publisher. */
  publishers: z.array(z.string()).readonly(),
  notBefore: instant.optional(),
  notAfter: instant.optional(),
  state: z.enum(TRUST_KEY_STATES),
  reason: z.string().optional(),
});

/** How far what is published was held against what is trusted. */
const judging = z.object({
  /** Versions that are still to be judged by it. */
  left: z.int(),
  lastPass: z
    .object({
      workflowId: z.string(),
      versions: z.int(),
      quarantined: z.int(),
      released: z.int(),
      installs: z.int(),
      endedAt: instant,
    })
    .optional(),
});

/** A key, and with `Prefer: wait` once what was published before has been held against it. */
const judgedKey = trustKey.extend({ judging });

/** 202: the change binds whoever is asked from here on; what was published before is being held against it. */
const changed = z.object({ keyId: z.string(), status: z.literal('judging'), ...workUnderWay.shape });

/** All of them: those of SIGNING_TRUST_BUNDLE, as this gateway has it, and those that were added. */
export const listTrustKeys = {
  method: 'GET',
  path: '/api/v1/trust-keys',
  answers: {
    200: pageOf(trustKey).extend({
      policy: z.enum(['required', 'optional']),
      threshold: z.int(),
      judging,
    }),
  },
} satisfies Route;

export const readTrustKey = {
  method: 'GET',
  path: '/api/v1/trust-keys/{keyId}',
  params: keyRef,
  answers: { 200: judgedKey },
} satisfies Route;

export const addTrustKey = {
  method: 'POST',
  path: '/api/v1/trust-keys',
  body: newTrustKey,
  answers: { 201: judgedKey, 202: changed },
} satisfies Route;

/** For good. */
export const revokeTrustKey = {
  method: 'POST',
  path: '/api/v1/trust-keys/{keyId}/revoke',
  params: keyRef,
  body: because,
  answers: { 200: judgedKey, 202: changed },
} satisfies Route;

/** For good: its calls are refused, and nobody can install it any more. */
export const revokeVersion = {
  method: 'POST',
  path: '/api/v1/extensions/{extension}/versions/{version}/revoke',
  params: z.strictObject({ extension: z.string(), version: z.string() }),
  body: because,
  answers: {
    200: version,
    202: z.object({ versionId: uuid, status: z.literal('revoked'), ...workUnderWay.shape }),
  },
} satisfies Route;

/**
 * Puts another signature beside the bundle of a version, which is judged anew, as all versions of the bundle are. The same envelope a
 * second time changes nothing. 202: nobody knows yet whether it was begun; it can be asked again.
 */
export const signVersion = {
  method: 'POST',
  path: '/api/v1/extensions/{extension}/versions/{version}/signatures',
  params: z.strictObject({ extension: z.string(), version: z.string() }),
  body: dsseEnvelope,
  answers: {
    201: version,
    202: z.object({ versionId: uuid, status: z.literal('judging'), ...workUnderWay.shape }),
  },
} satisfies Route;
