import type { Response } from 'express';
import type { Publish } from '../../core/api/publishes.ts';
import { finalizeUpload } from '../../core/api/uploads.ts';
import { publishWorkflowId } from '../../core/ids.ts';
import { PlatformError } from '../../core/errors.ts';
import type { Check } from '../../core/progress.ts';
import type { ExtensionVersion } from '../../platform/db/registry.ts';
import type { Upload } from '../../platform/db/uploads.ts';
import { answer } from '../answer.ts';
import { sendProblem } from '../error-handler.ts';

/** A publish as its status route shows it. */
export function publishBody(upload: Upload, version: ExtensionVersion | undefined): Publish {
  const { uploadId, status, steps, checks, error } = upload;
  return {
    uploadId,
    status,
    step: steps.find((step) => step.status === 'running')?.name,
    steps,
    checks,
    bytes: upload.received?.size ?? 0,
    ...(error && { error }),
    ...(version && { versionId: version.versionId, version: version.version }),
  };
}

/** What finalize answers for a publish as it stands: 202 while it runs, 201 with the version, or the problem it ended with. */
export function answerPublish(res: Response, upload: Upload, version: ExtensionVersion | undefined): void {
  const { uploadId, status, checks, error } = upload;
  if (version) {
    res.location(`/api/v1/extensions/${version.extensionId}/versions/${version.version}`);
    answer(res, finalizeUpload, 201, { ...version, checks });
  } else if (error) {
    const issues = checks.flatMap((check) => (isRefusal(check) ? (check.issues ?? []) : []));
    sendProblem(res, new PlatformError(error.code, error.message, { issues }), {
      extra: { uploadId, checks },
    });
  } else answerUnderWay(res, { uploadId, status });
}

function isRefusal({ required, result }: Check): boolean {
  return required && result === 'failed';
}

/** 202: it runs, and `url` shows how it stands. */
export function answerUnderWay(res: Response, publish: Pick<Upload, 'uploadId' | 'status'>): void {
  const url = `/api/v1/publishes/${publish.uploadId}`;
  res.location(url);
  answer(res, finalizeUpload, 202, { ...publish, url, workflowId: publishWorkflowId(publish.uploadId) });
}
