import { z } from 'zod';
import { secretEnvelope, TRIGGERS } from '../execute.ts';
import { isContentHash } from '../ids.ts';
import type { Route } from './route.ts';
import { trustKey } from './trust-keys.ts';
import { failureReason, grant, uuid } from './values.ts';

// Between our own processes a peer may be newer: members it sends that are not named here are ignored.

/** A worker warms or probes a version, which may not serve yet, or delivers an event to one that does. */
export const runExecution = {
  method: 'POST',
  path: '/api/internal/executions',
  body: z.object({
    tenantId: uuid,
    installId: uuid,
    versionId: uuid.optional(),
    trigger: z.enum(TRIGGERS).exclude(['http', 'ui-proxy']),
    http: z
      .object({
        method: z.string().regex(/^[A-Z]{1,16}$/),
        path: z.string().startsWith('/').max(2048),
      })
      .optional(),
  }),
  answers: {
    /** `error` if the guest did not get to answer. */
    200: z.object({ status: z.int(), error: failureReason.optional(), durationMs: z.number() }),
  },
} satisfies Route;

/** Hydration as a service: what an execution of an active install needs to know. */
export const readInstallConfig = {
  method: 'POST',
  path: '/api/internal/ext-runner/install-config',
  body: z.union([
    z.object({ tenantId: uuid, installId: uuid }),
    z.object({ tenantId: uuid, extensionId: uuid }),
  ]),
  answers: {
    200: z.object({
      contentHash: z.string(),
      versionId: uuid,
      config: z.record(z.string(), z.unknown()),
      configVersion: z.int(),
      providers: z.array(grant),
      secretsVersion: z.int(),
      secretEnvelope: secretEnvelope.optional(),
    }),
  },
} satisfies Route;

// What could end a source in a Content-Security-Policy or start another is refused.
const source = z.string().regex(/^[^\s;,]+$/);

/** An extension version whose UI may be served: its entry file below `ui/`, and what its pages may reach. */
export const uiInstall = z.object({
  entry: z.string(),
  csp: z.object({
    connectSrc: z.array(source).optional(),
    imgSrc: z.array(source).optional(),
    fontSrc: z.array(source).optional(),
    frameSrc: z.array(source).optional(),
  }),
});
export type UiInstall = z.infer<typeof uiInstall>;

export const readUiInstall = {
  method: 'GET',
  path: '/api/internal/runner/ui-installs',
  query: z.object({
    extensionId: uuid,
    contentHash: z.string().refine(isContentHash, 'must be sha256:<64 hex>'),
  }),
  answers: { 200: uiInstall },
} satisfies Route;

/** What is trusted, and the signatures of a bundle; without `bundle` nobody may load it. */
export const bundleTrust = z.object({
  trust: z.object({
    policy: z.enum(['required', 'optional']),
    threshold: z.int().min(1),
    keys: z.array(trustKey),
  }),
  bundle: z
    .object({
      /** Slug. */
      publisher: z.string(),
      /** By their names beside the bundle. */
      signatures: z.array(
        z.object({
          digest: z.string().regex(/^[0-9a-f]{64}$/),
          receivedAt: z.iso.datetime({ offset: true }),
        }),
      ),
    })
    .optional(),
});
export type BundleTrust = z.infer<typeof bundleTrust>;

export const readBundleTrust = {
  method: 'GET',
  path: '/api/internal/runner/trust',
  query: z.object({ contentHash: z.string().refine(isContentHash, 'must be sha256:<64 hex>') }),
  answers: { 200: bundleTrust },
} satisfies Route;

/** A runner lacks an artifact and has it made, or joins its making; without `target` for the current one. */
export const requestPrecompile = {
  method: 'POST',
  path: '/api/internal/runner/precompile',
  body: z.object({
    contentHash: z.string().refine(isContentHash, 'must be sha256:<64 hex>'),
    target: z.string().max(100).optional(),
  }),
  answers: { 202: z.object({ status: z.literal('precompiling'), workflowId: z.string() }) },
} satisfies Route;
