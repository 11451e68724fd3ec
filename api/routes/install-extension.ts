import { Router } from 'express';
import { z } from 'zod';
import { isExtensionRef } from '../../core/ids.ts';
import { isExactVersion, isWildcardVersion } from '../../core/version.ts';
import { answerInstall, isSettled } from '../installs/install-answer.ts';
import type { InstallService } from '../installs/install-service.ts';
import { jsonBody } from '../json-body.ts';
import { preferredWait, waitAsPreferred } from '../prefer-wait.ts';
import { principalOf, requirePermission } from '../principal.ts';
import { secretValue } from './secret-value.ts';

const installBody = z.strictObject({
  extension: z.string().refine(isExtensionRef, 'must be a UUID or publisher.name'),
  version: z
    .string()
    .max(64)
    .refine((text) => isExactVersion(text) || isWildcardVersion(text), 'must be like 1.2.3 or 1.2.*')
    .optional(),
  config: z.record(z.string(), z.unknown()).default({}),
  secrets: z.record(z.string(), secretValue).default({}),
  consent: z.union([z.literal('all'), z.array(z.string()).max(100)]).default([]),
});

export interface InstallExtensionRouterDeps {
  service: Pick<InstallService, 'install' | 'find'>;
  runnerPublicBase: string;
}

/** `POST /install` of the registry: brings an extension into the caller's tenant. */
export function createInstallExtensionRouter({
  service,
  runnerPublicBase,
}: InstallExtensionRouterDeps): Router {
  const router = Router();

  router.post('/', requirePermission('extension:install'), jsonBody, async (req, res) => {
    const principal = principalOf(res);
    const { installId, already } = await service.install(principal, installBody.parse(req.body));
    const find = () => service.find(principal.tenantId, installId);
    const install = already ? await find() : await waitAsPreferred(req, res, find, isSettled);
    answerInstall(res, install, { waited: preferredWait(req) > 0, already, runnerPublicBase });
  });
  return router;
}
