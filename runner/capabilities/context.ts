import { known, type Capability } from './capability.ts';

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
      context: { 'get-context': known({ ok: data }) },
      'context-v2': { 'get-trigger': known({ ok: context.trigger }) },
    };
  },
};

/** The install's settings. */
export const configCapability: Capability = {
  name: 'config.read',
  bind({ request }) {
    return { 'context-v2': { 'get-config': known({ ok: JSON.stringify(request.config) }) } };
  },
};
