import type { Capability } from './capability.ts';

/** Which tenant, install and request this is, and what started it. */
export const contextCapability: Capability = {
  name: 'context.read',
  constants({ context }) {
    const data = {
      requestId: context.request_id,
      tenantId: context.tenant_id,
      extensionId: context.extension_id,
      installId: context.install_id,
      versionId: context.version_id,
    };
    return { 'context.get-context': { ok: data }, 'context-v2.get-trigger': { ok: context.trigger } };
  },
};

/** The install's config. */
export const configCapability: Capability = {
  name: 'config.read',
  constants: ({ config }) => ({ 'context-v2.get-config': { ok: JSON.stringify(config) } }),
};
