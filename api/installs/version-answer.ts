import type { Response } from 'express';
import { install as installSchema, type decideConsent } from '../../core/api/installs.ts';
import type { rollbackInstall, upgradeInstall } from '../../core/api/version-changes.ts';
import { PlatformError } from '../../core/errors.ts';
import { installWorkflowId } from '../../core/ids.ts';
import type { Install } from '../../platform/db/installs.ts';
import { answer, onWire } from '../answer.ts';
import { sendProblem } from '../error-handler.ts';
import { installBody, isSettled } from './install-answer.ts';

/**
 * 200 once the install serves the version, 422 with the reason if that failed, 202 while it is under way or waits for a person. Only who
 * waited is told of an end: what is read at once may be the end of something else.
 */
export function answerVersionChange(
  res: Response,
  route: typeof upgradeInstall | typeof rollbackInstall | typeof decideConsent,
  install: Install,
  asked: { versionId: string | undefined; waited: boolean; runnerPublicBase: string; already?: boolean },
): void {
  const { versionId, waited, runnerPublicBase, already = false } = asked;
  const body = installBody(res, install, runnerPublicBase);
  const url = `/api/v1/installs/${install.installId}`;
  const hasEnded = waited && isSettled(install);
  if (already) answer(res, route, 200, body);
  else if (hasEnded && install.error) {
    const { code, message } = install.error;
    const extra = { install: onWire(installSchema, body) };
    sendProblem(res, new PlatformError(code, message), { status: 422, extra });
  } else if (hasEnded && install.activeVersionId === versionId && !install.pending) {
    answer(res, route, 200, body);
  } else {
    const workflowId = installWorkflowId(install.tenantId, install.extensionId);
    answer(res.location(url), route, 202, { ...body, url, workflowId });
  }
}
