import { json, Router } from 'express';
import { requestPrecompile } from '../../core/api/internal.ts';
import { ARTIFACT_TARGET } from '../../core/artifact-target.ts';
import { PlatformError } from '../../core/errors.ts';
import type { ArtifactStore } from '../../platform/db/artifacts.ts';
import { answer } from '../answer.ts';
import { inputOf } from '../request-input.ts';
import type { WorkflowStarter } from '../workflow-starter.ts';

/** Of all runners together; more than they need when each asks for what its calls miss, and little for Temporal. */
const REQUESTS_A_MINUTE = 60;
const MINUTE_MS = 60_000;

export interface PrecompileDeps {
  artifacts: Pick<ArtifactStore, 'publisherOf'>;
  workflows: Pick<WorkflowStarter, 'startPrecompile'>;
}

/** `POST /runner/precompile`: a runner that lacks an artifact has it made. Only what is published, and only for the current target. */
export function createPrecompileRouter({ artifacts, workflows }: PrecompileDeps): Router {
  const count = createRateLimit(REQUESTS_A_MINUTE, MINUTE_MS);
  const router = Router();
  router.post('/', json({ limit: '4kb' }), async (req, res) => {
    count();
    const { contentHash, target = ARTIFACT_TARGET } = inputOf(requestPrecompile.body, req.body);
    if (target !== ARTIFACT_TARGET) {
      throw new PlatformError(
        'INPUT_INVALID',
        `artifacts are made for ${ARTIFACT_TARGET}, not for ${target}`,
      );
    }
    const publisher = await artifacts.publisherOf(contentHash);
    if (publisher === undefined)
      throw new PlatformError('NOT_FOUND', 'no published version has this content');
    const { workflowId } = await workflows.startPrecompile({ contentHash, target }, publisher);
    answer(res, requestPrecompile, 202, { status: 'precompiling', workflowId });
  });
  return router;
}

/** Throws RATE_LIMITED from the call on that is one too many within the period. */
function createRateLimit(most: number, periodMs: number): () => void {
  let periodEnds = 0;
  let calls = 0;
  return () => {
    const now = performance.now();
    if (now >= periodEnds) {
      periodEnds = now + periodMs;
      calls = 0;
    }
    calls += 1;
    if (calls > most)
      throw new PlatformError('RATE_LIMITED', `more than ${most} requests a minute; try again`);
  };
}
