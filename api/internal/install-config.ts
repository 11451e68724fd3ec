import { json, Router } from 'express';
import { z } from 'zod';
import { PlatformError } from '../../core/errors.ts';
import type { HydratedInstall, HydrationStore } from '../../platform/db/hydration.ts';
import { SEALING_ALGORITHM } from '../../platform/secrets/sealing-suite.ts';

const installConfigBody = z.union([
  z.strictObject({ tenantId: z.uuid(), installId: z.uuid() }),
  z.strictObject({ tenantId: z.uuid(), extensionId: z.uuid() }),
]);

/** How long a caller may use an envelope. */
const ENVELOPE_MS = 60_000;

export interface InstallConfigDeps {
  hydration: Pick<HydrationStore, 'byExtension' | 'byInstall'>;
  secretsKeyId: string;
}

/** `POST /ext-runner/install-config`: hydration as a service. The one place where a body names the tenant: the caller is ours. */
export function createInstallConfigRouter({ hydration, secretsKeyId }: InstallConfigDeps): Router {
  const router = Router();
  router.post('/', json({ limit: '16kb' }), async (req, res) => {
    const body = installConfigBody.parse(req.body);
    const install =
      'installId' in body
        ? await hydration.byInstall(body.installId)
        : await hydration.byExtension(body.tenantId, body.extensionId);
    if (install?.tenantId !== body.tenantId || install.status !== 'active') {
      throw new PlatformError('NOT_FOUND', 'there is no such active install in this tenant');
    }
    res.json(configOf(install, secretsKeyId));
  });
  return router;
}

function configOf(install: HydratedInstall, secretsKeyId: string): Record<string, unknown> {
  const secrets = install.secrets.filter(({ keyId }) => keyId === secretsKeyId);
  return {
    contentHash: install.contentHash,
    versionId: install.versionId,
    config: install.config,
    configVersion: install.configVersion,
    providers: install.grants,
    secretsVersion: install.secretsVersion,
    ...(secrets.length > 0 && {
      secretEnvelope: {
        version: install.secretsVersion,
        algorithm: SEALING_ALGORITHM,
        expires_at: new Date(Date.now() + ENVELOPE_MS).toISOString(),
        entries: Object.fromEntries(secrets.map(({ name, sealed }) => [name, sealed])),
        key_id: secretsKeyId,
      },
    }),
  };
}
