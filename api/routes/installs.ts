import { Router, type Request, type Response } from 'express';
import type { z } from 'zod';
import { decideConsent, listInstalls, readInstall, watchInstall } from '../../core/api/installs.ts';
import { changeSecrets, readConfig, readSecrets, replaceConfig } from '../../core/api/install-config.ts';
import type { Install, InstallStore } from '../../platform/db/installs.ts';
import type { RowChanges } from '../../platform/db/row-changes.ts';
import { answer, onWire } from '../answer.ts';
import type { SendEvents } from '../event-streams.ts';
import { answerBegun, answerInstall, installBody, isSettled } from '../installs/install-answer.ts';
import type { ConfigChanged, Configured, InstallService } from '../installs/install-service.ts';
import type { PendingSettings, SettingsOfPending } from '../installs/pending-settings.ts';
import { installEvent, watchedInstall } from '../installs/watched-install.ts';
import { answerVersionChange } from '../installs/version-answer.ts';
import { jsonBody } from '../json-body.ts';
import { pageBody } from '../page-body.ts';
import { preferredWait, waitAsPreferred } from '../prefer-wait.ts';
import { onceBegun } from '../once-begun.ts';
import { principalOf, requirePermission } from '../principal.ts';
import { inputOf } from '../request-input.ts';
import type { WatchedRow } from '../watch-row.ts';

type ConfigAnswer = z.output<(typeof readConfig.answers)[200]>;
type SecretsAnswer = z.output<(typeof readSecrets.answers)[200]>;

export interface InstallsRouterDeps {
  installs: Pick<InstallStore, 'list'>;
  service: InstallService;
  settings: SettingsOfPending;
  changes: RowChanges;
  sendEvents: SendEvents;
  runnerPublicBase: string;
}

/** Installs of the caller's tenant, their config and secrets. */
export function createInstallsRouter(deps: InstallsRouterDeps): Router {
  const { installs, service, settings, changes, runnerPublicBase } = deps;
  const router = Router();
  const mayRead = requirePermission('extension:read');
  const mayInstall = requirePermission('extension:install');

  router.get('/', mayRead, async (req, res) => {
    const query = inputOf(listInstalls.query, req.query);
    const { items, nextCursor } = await installs.list(principalOf(res).tenantId, query);
    const shown = items.map((install) => installBody(res, install, runnerPublicBase));
    answer(res, listInstalls, 200, pageBody({ items: shown, nextCursor }));
  });

  router.get('/:installId', mayRead, async (req, res) => {
    const install = await waitAsPreferred(changes, req, res, watched(req, res), isSettled);
    answer(res, readInstall, 200, installBody(res, install, runnerPublicBase));
  });

  router.get('/:installId/events', mayRead, (req, res) =>
    deps.sendEvents(req, res, watched(req, res), (install) => ({
      event: installEvent(install),
      data: onWire(watchInstall.events, installBody(res, install, runnerPublicBase)),
    })),
  );

  router.get('/:installId/config', mayInstall, async (req, res) => {
    const install = await findInstall(req, res);
    const { config = {}, configVersion: version, changes } = install;
    const pending = await settings.find(install);
    answer(res, readConfig, 200, { config, version, ...(changes && { changes }), ...pendingBody(pending) });
  });

  router.put('/:installId/config', mayInstall, jsonBody, async (req, res) => {
    const values = inputOf(replaceConfig.body, req.body);
    const install = await findInstall(req, res);
    if (install.pending?.waitingFor === 'settings') {
      const { goesOn, ...state } = await settings.give(principalOf(res), install, { config: values });
      const { config } = state;
      const body = { config, version: install.configVersion, ...(!goesOn && pendingBody(state)) };
      answer(res, replaceConfig, 200, body);
      return;
    }
    const changed = await service.replaceConfig(principalOf(res), installIdOf(req), values);
    answerConfigChange(req, res, changed);
  });

  router.delete('/:installId/config', mayInstall, async (req, res) => {
    const changed = await service.reset(principalOf(res), installIdOf(req));
    answerConfigChange(req, res, changed);
  });

  router.get('/:installId/secrets', mayInstall, async (req, res) => {
    answer(res, readSecrets, 200, await secretsBody(await findInstall(req, res)));
  });

  router.put('/:installId/secrets', mayInstall, jsonBody, async (req, res) => {
    const secrets = inputOf(changeSecrets.body, req.body);
    const install = await findInstall(req, res);
    if (install.pending?.waitingFor === 'settings') {
      const { secrets: set } = await settings.give(principalOf(res), install, { secrets });
      answer(res, changeSecrets, 200, { secrets: set, version: install.secretsVersion });
      return;
    }
    const changed = await service.changeSecrets(principalOf(res), installIdOf(req), secrets);
    await answerSecretsChange(req, res, changed);
  });

  router.delete('/:installId/secrets', mayInstall, async (req, res) => {
    const changed = await service.clearSecrets(principalOf(res), installIdOf(req));
    await answerSecretsChange(req, res, changed);
  });

  router.post('/:installId/consent', mayInstall, jsonBody, async (req, res) => {
    const { decision, ...rest } = inputOf(decideConsent.body, req.body);
    const capabilities = 'capabilities' in rest ? rest.capabilities : undefined;
    const given = { decision, ...(capabilities && { capabilities }) };
    const before = await findInstall(req, res);
    const { workflowId } = await service.decideConsent(principalOf(res), installIdOf(req), given);
    const waited = waitAsPreferred(changes, req, res, watched(req, res), isDecidedAndSettled);
    const install = await onceBegun(waited);
    if (!install) answerBegun(res, { installId: installIdOf(req), workflowId });
    else if (before.activeVersionId !== undefined) {
      const versionId = decision === 'grant' ? before.pending?.versionId : before.activeVersionId;
      const asked = { versionId, waited: preferredWait(req) > 0, runnerPublicBase };
      answerVersionChange(res, decideConsent, install, asked);
    } else answerInstall(res, install, { waited: preferredWait(req) > 0, runnerPublicBase });
  });

  const watched = (req: Request, res: Response): WatchedRow<Install> =>
    watchedInstall(service, principalOf(res).tenantId, installIdOf(req));
  const findInstall = (req: Request, res: Response): Promise<Install> => watched(req, res).read();

  async function answerSecretsChange(req: Request, res: Response, changed: Configured): Promise<void> {
    const body = changed.applied && (await onceBegun(findInstall(req, res).then(secretsBody)));
    if (body) answer(res, changeSecrets, 200, body);
    else answerUnderWay(req, res, changed);
  }

  async function secretsBody(install: Install): Promise<SecretsAnswer> {
    const { tenantId, secretsVersion: version, changes } = install;
    const pending = await settings.find(install);
    return {
      secrets: { ...(await service.describeSecrets(tenantId, install)), ...pending?.secrets },
      version,
      ...(changes && { changes }),
    };
  }

  return router;
}

function installIdOf(req: Request): string {
  return inputOf(readInstall.params, req.params).installId;
}

function answerConfigChange(req: Request, res: Response, changed: ConfigChanged): void {
  const { config, applied } = changed;
  if (applied) answer(res, replaceConfig, 200, { config, version: applied.configVersion });
  else answerUnderWay(req, res, changed);
}

/** The change may have been taken and nobody can tell yet: the resource shows it, and what becomes of it. */
function answerUnderWay(req: Request, res: Response, { changeId, workflowId }: Configured): void {
  const url = `${req.baseUrl}${req.path}`;
  answer(res.location(url), replaceConfig, 202, { status: 'configuring', changeId, url, workflowId });
}

function pendingBody(pending: PendingSettings | undefined): Pick<ConfigAnswer, 'pending'> {
  if (!pending) return {};
  const { version, config, needed: settingsNeeded } = pending;
  return { pending: { version, config, settingsNeeded } };
}

/** The row shows the decision only once the workflow's next step has begun. */
function isDecidedAndSettled(install: Install): boolean {
  return install.pending?.waitingFor !== 'consent' && isSettled(install);
}
