import type { Response } from 'express';
import { installWorkflowId } from '../../core/ids.ts';
import { PlatformError } from '../../core/errors.ts';
import { INSTALL_SETTLED } from '../../core/progress.ts';
import type { Install } from '../../platform/db/installs.ts';
import { sendProblem } from '../error-handler.ts';
import { hasPermission, principalOf } from '../principal.ts';

/** An install as its routes show it; settings only to who may change them. */
export function installBody(
  res: Response,
  install: Install,
  runnerPublicBase: string,
): Record<string, unknown> {
  const { installId, extensionId, extension, version, contentHash, status, steps, error } = install;
  return {
    installId,
    extensionId,
    extension,
    version,
    contentHash,
    status,
    steps,
    ...(error && { error }),
    ...(hasPermission(principalOf(res), 'extension:install') && { config: install.config ?? {} }),
    configVersion: install.configVersion,
    secretsVersion: install.secretsVersion,
    grants: install.grants,
    ...uiUrlOf(install, runnerPublicBase),
    previousVersions: [],
    createdAt: install.createdAt,
    updatedAt: install.updatedAt,
  };
}

/** Address of the UI while the install serves one. */
function uiUrlOf(install: Install, runnerPublicBase: string): { uiUrl?: string } {
  const { status, extensionId, contentHash, uiEntry } = install;
  if (status !== 'active' || uiEntry === undefined) return {};
  const entry = uiEntry.replace(/^ui\//, '').split('/').map(encodeURIComponent).join('/');
  return { uiUrl: `${runnerPublicBase.replace(/\/$/, '')}/ext-ui/${extensionId}/${contentHash}/${entry}` };
}

export function isSettled({ status }: Install): boolean {
  return INSTALL_SETTLED.includes(status);
}

/** 202 while it runs or waits for a person, 201 once active, 422 with the reason if it failed. */
export function answerInstall(
  res: Response,
  install: Install,
  options: { waited: boolean; already?: boolean; runnerPublicBase: string },
): void {
  const { waited, already = false, runnerPublicBase } = options;
  const body = installBody(res, install, runnerPublicBase);
  const url = `/api/v1/installs/${install.installId}`;
  if (already) res.status(200).json(body);
  else if (waited && install.status === 'active') res.status(201).location(url).json(body);
  else if (waited && install.status === 'failed' && install.error) {
    const { code, message } = install.error;
    sendProblem(res, new PlatformError(code, message), { status: 422, extra: { install: body } });
  } else if (waited && install.status === 'declined') res.json(body);
  else {
    const workflowId = installWorkflowId(install.tenantId, install.extensionId);
    res
      .status(202)
      .location(url)
      .json({ ...body, url, workflowId });
  }
}
