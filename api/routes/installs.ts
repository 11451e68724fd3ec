import { Router, type Request, type Response } from 'express';
import { z } from 'zod';
import type { Install, InstallStore } from '../../platform/db/installs.ts';
import { answerInstall, installBody, isSettled } from '../installs/install-answer.ts';
import type { InstallService } from '../installs/install-service.ts';
import { jsonBody } from '../json-body.ts';
import { listBody, listQuery } from '../list-query.ts';
import { preferredWait, waitAsPreferred } from '../prefer-wait.ts';
import { principalOf, requirePermission } from '../principal.ts';
import { secretValue } from './secret-value.ts';

const installParams = z.strictObject({ installId: z.uuid() });
const configBody = z.record(z.string(), z.unknown());
const secretsBody = z
  .record(z.string(), secretValue.nullable())
  .refine((secrets) => Object.keys(secrets).length > 0, 'name at least one secret');
const consentBody = z.discriminatedUnion('decision', [
  z.strictObject({ decision: z.literal('grant'), capabilities: z.array(z.string()).max(100).optional() }),
  z.strictObject({ decision: z.literal('decline') }),
]);

export interface InstallsRouterDeps {
  installs: Pick<InstallStore, 'list'>;
  service: InstallService;
  runnerPublicBase: string;
}

/** Installs of the caller's tenant, their settings and secrets. */
export function createInstallsRouter({ installs, service, runnerPublicBase }: InstallsRouterDeps): Router {
  const router = Router();
  const mayRead = requirePermission('extension:read');
  const mayInstall = requirePermission('extension:install');

  router.get('/', mayRead, async (req, res) => {
    const page = await installs.list(principalOf(res).tenantId, listQuery.parse(req.query));
    res.json(listBody(page, (install) => installBody(res, install, runnerPublicBase)));
  });

  router.get('/:installId', mayRead, async (req, res) => {
    const install = await waitAsPreferred(req, res, () => findInstall(req, res), isSettled);
    res.json(installBody(res, install, runnerPublicBase));
  });

  router.get('/:installId/config', mayInstall, async (req, res) => {
    res.json(configOf(await findInstall(req, res)));
  });

  router.put('/:installId/config', mayInstall, jsonBody, async (req, res) => {
    const values = configBody.parse(req.body);
    res.json(configOf(await service.replaceConfig(principalOf(res), installIdOf(req), values)));
  });

  router.delete('/:installId/config', mayInstall, async (req, res) => {
    res.json(configOf(await service.reset(principalOf(res), installIdOf(req))));
  });

  router.get('/:installId/secrets', mayInstall, async (req, res) => {
    await answerSecrets(res, await findInstall(req, res));
  });

  router.put('/:installId/secrets', mayInstall, jsonBody, async (req, res) => {
    const secrets = secretsBody.parse(req.body);
    await answerSecrets(res, await service.changeSecrets(principalOf(res), installIdOf(req), secrets));
  });

  router.delete('/:installId/secrets', mayInstall, async (req, res) => {
    await answerSecrets(res, await service.clearSecrets(principalOf(res), installIdOf(req)));
  });

  router.post('/:installId/consent', mayInstall, jsonBody, async (req, res) => {
    const { decision, ...rest } = consentBody.parse(req.body);
    const capabilities = 'capabilities' in rest ? rest.capabilities : undefined;
    const given = { decision, ...(capabilities && { capabilities }) };
    await service.decideConsent(principalOf(res), installIdOf(req), given);
    const install = await waitAsPreferred(req, res, () => findInstall(req, res), isDecidedAndSettled);
    answerInstall(res, install, { waited: preferredWait(req) > 0, runnerPublicBase });
  });

  const findInstall = (req: Request, res: Response): Promise<Install> =>
    service.find(principalOf(res).tenantId, installIdOf(req));

  async function answerSecrets(res: Response, install: Install): Promise<void> {
    const secrets = await service.describeSecrets(install.tenantId, install);
    res.json({ secrets, version: install.secretsVersion });
  }

  return router;
}

function installIdOf(req: Request): string {
  return installParams.parse(req.params).installId;
}

function configOf({ config = {}, configVersion }: Install): Record<string, unknown> {
  return { config, version: configVersion };
}

/** The row shows the decision only once the workflow's next step has begun. */
function isDecidedAndSettled(install: Install): boolean {
  return install.status !== 'awaiting-consent' && isSettled(install);
}
