import { constant, type Capability } from './capability.ts';

/** Which tenant, install and request this is, and what started it. */
export const contextCapability: Capability = {
  name: 'context.read',
  bind({ request: { context } }) {
    const data = {
      requestId: context.request_id,
      tenantId: context.tenant_id,
      extensionId: context.extension_id,
      installId: context.install_id,
      versionId: context.version_id,
    };
    return {
      context: { 'get-context': constant({ ok: data }) },
      'context-v2': { 'get-trigger': constant({ ok: context.trigger }) },
    };
  },
};

/** The install's config. */
export const configCapability: Capability = {
  name: 'config.read',
  bind({ request }) {
    return { 'context-v2': { 'get-config': constant({ ok: JSON.stringify(request.config) }) } };
  },
};
