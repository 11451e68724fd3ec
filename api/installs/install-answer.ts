import type { Response } from 'express';
import { install as installSchema, installExtension, type InstallAnswer } from '../../core/api/installs.ts';
import { installWorkflowId } from '../../core/ids.ts';
import { PlatformError } from '../../core/errors.ts';
import { INSTALL_SETTLED } from '../../core/progress.ts';
import type { Install } from '../../platform/db/installs.ts';
import { answer, onWire } from '../answer.ts';
import { sendProblem } from '../error-handler.ts';
import { hasPermission, principalOf } from '../principal.ts';

/** An install as its routes show it; config only to who may change it. */
export function installBody(res: Response, install: Install, runnerPublicBase: string): InstallAnswer {
  const { config = {}, operation, ...shown } = install;
  return {
    ...shown,
    ...(operation && {
      operation: { ...operation, startedAt: new Date(operation.startedAt), steps: install.steps },
    }),
    ...(hasPermission(principalOf(res), 'extension:install') && { config }),
    ...uiUrlOf(install, runnerPublicBase),
  };
}

/** Address of the UI while the install serves one. */
function uiUrlOf(install: Install, runnerPublicBase: string): { uiUrl?: string } {
  const { status, extensionId, contentHash, uiEntry } = install;
  if (status !== 'active' || uiEntry === undefined) return {};
  const entry = uiEntry.replace(/^ui\//, '').split('/').map(encodeURIComponent).join('/');
  return { uiUrl: `${runnerPublicBase.replace(/\/$/, '')}/ext-ui/${extensionId}/${contentHash}/${entry}` };
}

export function isSettled({ status, operation }: Install): boolean {
  return operation === undefined && INSTALL_SETTLED.includes(status);
}

/** 202 of work that has begun and whose row cannot be read at the moment. */
export function answerBegun(
  res: Response,
  { installId, workflowId }: { installId: string; workflowId: string },
): void {
  const url = `/api/v1/installs/${installId}`;
  answer(res.location(url), installExtension, 202, { installId, status: 'installing', url, workflowId });
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
  if (already) answer(res, installExtension, 200, body);
  else if (waited && install.status === 'active') answer(res.location(url), installExtension, 201, body);
  else if (waited && install.status === 'failed' && install.error) {
    const { code, message } = install.error;
    sendProblem(res, new PlatformError(code, message), {
      status: 422,
      extra: { install: onWire(installSchema, body) },
    });
  } else if (waited && install.status === 'declined') answer(res, installExtension, 200, body);
  else {
    const workflowId = installWorkflowId(install.tenantId, install.extensionId);
    answer(res.location(url), installExtension, 202, { ...body, url, workflowId });
  }
}
