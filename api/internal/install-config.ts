import { json, Router } from 'express';
import type { z } from 'zod';
import { readInstallConfig } from '../../core/api/internal.ts';
import { PlatformError } from '../../core/errors.ts';
import type { HydratedInstall, HydrationStore } from '../../platform/db/hydration.ts';
import { answer } from '../answer.ts';
import { grantedConfig } from '../execution/execute-request.ts';
import { secretEnvelopeOf } from '../execution/secret-envelope.ts';
import { inputOf } from '../request-input.ts';

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
    const body = inputOf(readInstallConfig.body, req.body);
    const install =
      'installId' in body
        ? await hydration.byInstall(body.tenantId, body.installId)
        : await hydration.byExtension(body.tenantId, body.extensionId);
    if (install?.status !== 'active') {
      throw new PlatformError('NOT_FOUND', 'there is no such active install in this tenant');
    }
    answer(res, readInstallConfig, 200, configOf(install, secretsKeyId));
  });
  return router;
}

function configOf(
  install: HydratedInstall,
  secretsKeyId: string,
): z.output<(typeof readInstallConfig.answers)[200]> {
  const expiresAt = Date.now() + ENVELOPE_MS;
  const secretEnvelope = secretEnvelopeOf(install, { secretsKeyId, expiresAt });
  return {
    contentHash: install.contentHash,
    versionId: install.versionId,
    config: grantedConfig(install),
    configVersion: install.configVersion,
    providers: install.grants,
    secretsVersion: install.secretsVersion,
    ...(secretEnvelope && { secretEnvelope }),
  };
}
