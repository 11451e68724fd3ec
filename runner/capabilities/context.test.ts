import { describe, expect, it } from '@jest/globals';
import { boundHost, EXECUTION_CONTEXT as context } from '../../test/support/bound-host.ts';

describe('the context', () => {
  it('tells which execution this is', async () => {
    expect(await boundHost().host('context', 'get-context', [])).toEqual({
      ok: {
        requestId: 'request-1',
        tenantId: context.tenant_id,
        extensionId: context.extension_id,
        installId: context.install_id,
        versionId: context.version_id,
      },
    });
  });

  it('has the settings when they were granted', async () => {
    const { host } = boundHost({ grants: { 'config.read': {} } });
    expect(await host('context-v2', 'get-config', [])).toEqual({ ok: '{"greeting":"Hello"}' });
  });
});
