import { z } from 'zod';
import { CAPABILITY_NAMES } from './capabilities.ts';
import { isContentHash } from './ids.ts';

// The wire contract of the runner's POST /v1/execute. Snake case: it exists already. A peer may be newer: members it sends that are not named
// here are ignored, but for those of `limits` and `providers`, which a runner refuses because it would not heed them.

export const TRIGGERS = ['http', 'ui-proxy', 'probe', 'warm', 'event', 'schedule'] as const;
export type Trigger = (typeof TRIGGERS)[number];

const headerMap = z.record(z.string(), z.union([z.string(), z.array(z.string())]));
export type HeaderMap = z.infer<typeof headerMap>;

/** What was parsed from JSON is JSON: to look at every value again takes as long as all the rest. */
const config = z.record(z.string(), z.custom<z.core.util.JSONType>());
type Config = z.infer<typeof config>;

const executeContext = z.object({
  request_id: z.string().min(1).max(128),
  execution_id: z.uuid(),
  tenant_id: z.uuid(),
  extension_id: z.uuid(),
  install_id: z.uuid(),
  version_id: z.uuid(),
  content_hash: z.string().refine(isContentHash, 'sha256:<64 hex>'),
  config_version: z.int().nonnegative(),
  trigger: z.enum(TRIGGERS),
  /** Where older callers put it. */
  config: config.optional(),
});

/** No execution may be given longer. */
export const MAX_TIMEOUT_MS = 300_000;

/** A guest's request body at most. */
export const MAX_REQUEST_BODY_BYTES = 16 * 1024 * 1024;

const timeoutMs = z.int().min(1).max(MAX_TIMEOUT_MS);
const memoryMb = z.int().min(1).max(1024);

const executeLimits = z.strictObject({
  timeout_ms: timeoutMs,
  memory_mb: memoryMb,
  response_bytes: z.int().min(0),
  /** Units: see docs/decisions/0020. Without it, more than an honest guest can use before its deadline. */
  fuel: z.int().min(1).optional(),
  /** What it may send to other systems: heads and bodies of its requests, before TLS. Without it, what a runner allows by itself. */
  egress_bytes: z.int().min(0).optional(),
});

const name = z.enum(CAPABILITY_NAMES);
/** With or without `cap:`. */
const capability = z.union([
  name,
  z
    .string()
    .transform((text) => text.replace(/^cap:/, ''))
    .pipe(name),
]);

/** A name alone is the whole capability. What our gateways send comes first: it is looked at in every call. */
const provider = z.union([
  z.strictObject({ capability, scope: z.record(z.string(), z.array(z.string())) }),
  capability.transform((whole) => ({ capability: whole, scope: {} })),
]);

/** HPKE (RFC 9180), base mode, as envelopes name it. */
export const SEALING_ALGORITHM = 'HPKE-X25519-HKDF-SHA256-AES-256-GCM';

export const secretEnvelope = z.object({
  version: z.int(),
  algorithm: z.literal(SEALING_ALGORITHM),
  expires_at: z.iso.datetime(),
  entries: z.record(z.string(), z.string()),
  key_id: z.string(),
});
/** Secrets sealed one by one to the runner's key. */
export type SecretEnvelope = z.infer<typeof secretEnvelope>;

const executeUser = z.object({
  user_id: z.string(),
  user_email: z.string(),
  user_name: z.string(),
  user_type: z.string(),
  client_id: z.string().optional(),
  client_name: z.string().optional(),
  additional_fields: z.record(z.string(), z.string()).optional(),
});

const sentRequest = z.object({
  context: executeContext,
  http: z.object({
    method: z.string().min(1).max(16),
    path: z.string().startsWith('/'),
    query: z.string(),
    headers: headerMap,
    body_b64: z.base64().optional(),
  }),
  limits: executeLimits,
  config: config.optional(),
  providers: z.array(provider),
  /** Capabilities that are switched off for the tenant, so that a guest's log can say why it was denied them. */
  switched_off: z.array(z.string()).optional(),
  secret_envelope: secretEnvelope.optional(),
  user: executeUser.optional(),
});

/** Body of `POST /v1/execute`; `http.body_b64` is absent when the body travels as bytes in a framed request. */
export const executeRequest = sentRequest.transform(inOneForm);

type Read = z.output<typeof sentRequest>;
type InOneForm = Omit<Read, 'context' | 'config'> & {
  context: Omit<Read['context'], 'config'>;
  config: Config;
};

function inOneForm(sent: Read): InOneForm {
  // A copy without a member costs as much as all else that is done to read a request.
  if (sent.context.config === undefined) return Object.assign(sent, { config: sent.config ?? {} });
  const { config: older, ...context } = sent.context;
  return { ...sent, context, config: sent.config ?? older };
}

/** As a runner works with it: in one form, which is one that may be sent. */
export type ExecuteRequest = z.output<typeof executeRequest>;
/** In any form that may be sent. */
export type SentExecuteRequest = z.input<typeof executeRequest>;

const names = z.array(z.string().max(64)).max(256);

/**
 * What a runner says of itself in the body of /readyz: the limits it enforces and the capabilities it serves. A gateway sends no others, so
 * that either may be of a newer release. A runner of a release that said nothing has the defaults.
 */
export const runnerAnnouncement = z.object({
  limits: names.default(['timeout_ms', 'memory_mb', 'response_bytes']),
  capabilities: names.default([
    'context.read',
    'log.emit',
    'user.read',
    'config.read',
    'secrets.get',
    'storage.kv',
  ]),
  /** Of a runner that takes sealed requests: what they are sealed for. It changes when the runner starts, and may at any time. */
  seal_epoch: z
    .string()
    .regex(/^[\w-]{22}$/)
    .optional(),
});
export type RunnerAnnouncement = z.output<typeof runnerAnnouncement>;

/** What this release's runner announces of the limits; of capabilities, it is those it has. */
export const ENFORCED_LIMITS = [
  'timeout_ms',
  'memory_mb',
  'response_bytes',
  'fuel',
  'egress_bytes',
] as const satisfies (keyof ExecuteRequest['limits'])[];

/** Body of `POST /v1/warm`. */
export const warmRequest = z.object({
  tenant_id: z.uuid(),
  content_hash: z.string().refine(isContentHash, 'sha256:<64 hex>'),
  /** Those of the install. */
  limits: z.object({ timeout_ms: timeoutMs, memory_mb: memoryMb }).optional(),
});
export type WarmRequest = z.output<typeof warmRequest>;

/** What happened to the guest. The runner's own HTTP status speaks about the runner alone. */
export const executeResponse = z.object({
  status: z.int().min(200).max(599),
  headers: headerMap,
  body_b64: z.base64().optional(),
  metrics: z.object({
    duration_ms: z.number().nonnegative(),
    cpu_ms: z.number().nonnegative(),
    fuel: z.number().nonnegative(),
    memory_bytes: z.number().nonnegative(),
    egress_bytes: z.number().nonnegative(),
  }),
  /** `exception`: what the guest ended with, for who may debug the extension. */
  error: z.object({ code: z.string(), message: z.string(), exception: z.string().optional() }).optional(),
});
export type ExecuteResponse = z.infer<typeof executeResponse>;

/** An execution that has not begun by then is refused (RUNNER_BUSY); a guest's own time is counted from when it begins. */
export const START_WITHIN_MS = 5_000;

/** Content type of an execute body that carries its bytes as they are: see `core/execute-frame.ts`. */
export const EXECUTE_FRAME_TYPE = 'application/vnd.alga.execute-frame';
