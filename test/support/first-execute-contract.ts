import { z } from 'zod';

/**
 * The body of POST /v1/execute as the runner of release 0.1.0 read it, word for word: it refuses every member that it does not know. What a
 * gateway sends to a runner that announces nothing must pass here. Never changed.
 */
export const firstExecuteRequest = z.strictObject({
  context: z.strictObject({
    request_id: z.string().min(1).max(128),
    execution_id: z.uuid(),
    tenant_id: z.uuid(),
    extension_id: z.uuid(),
    install_id: z.uuid(),
    version_id: z.uuid(),
    content_hash: z.string().regex(/^sha256:[0-9a-f]{64}$/),
    config_version: z.int().nonnegative(),
    trigger: z.enum(['http', 'ui-proxy', 'probe', 'warm', 'event', 'schedule']),
  }),
  http: z.strictObject({
    method: z.string().min(1).max(16),
    path: z.string().startsWith('/'),
    query: z.string(),
    headers: z.record(z.string(), z.union([z.string(), z.array(z.string())])),
    body_b64: z.base64().optional(),
  }),
  limits: z.strictObject({
    timeout_ms: z.int().min(1).max(300_000),
    memory_mb: z.int().min(1).max(1024),
    response_bytes: z.int().min(0),
  }),
  config: z.record(z.string(), z.json()),
  providers: z.array(
    z.strictObject({
      capability: z.enum([
        'context.read',
        'log.emit',
        'user.read',
        'config.read',
        'secrets.get',
        'storage.kv',
      ]),
      scope: z.record(z.string(), z.array(z.string())),
    }),
  ),
  secret_envelope: z
    .strictObject({
      version: z.int(),
      algorithm: z.literal('HPKE-X25519-HKDF-SHA256-AES-256-GCM'),
      expires_at: z.iso.datetime(),
      entries: z.record(z.string(), z.string()),
      key_id: z.string(),
    })
    .optional(),
  user: z
    .strictObject({
      user_id: z.string(),
      user_email: z.string(),
      user_name: z.string(),
      user_type: z.string(),
      client_id: z.string().optional(),
      client_name: z.string().optional(),
      additional_fields: z.record(z.string(), z.string()).optional(),
    })
    .optional(),
});
