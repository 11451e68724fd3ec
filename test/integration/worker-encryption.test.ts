import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { PlatformError } from '../../core/errors.ts';
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import { beginInstall, fakeInstallActivities, installInput } from '../support/fake-install.ts';
import {
  failureCode,
  startWorkflowEnvironment,
  type WorkflowEnvironment,
} from '../support/workflow-environment.ts';

const fakes = fakeInstallActivities();
let environment: WorkflowEnvironment;

beforeAll(async () => {
  environment = await startWorkflowEnvironment(fakes.activities);
});
afterAll(() => environment.stop());

describe('what the Temporal server holds', () => {
  it('shows neither inputs and results nor failure messages and stacks', async () => {
    const message = 'the health endpoint said peculiar-words';
    fakes.script({ probeInstall: () => Promise.reject(new PlatformError('HEALTH_CHECK_FAILED', message)) });
    const input = installInput({ digest: 'digest-in-particular' });
    const handle = await beginInstall(environment.client, input);
    expect(await failureCode(handle.result())).toBe('HEALTH_CHECK_FAILED');
    const raw = historyToJSON(await handle.fetchHistory());
    // Payloads are base64 in this JSON: their bytes must not hold the text either.
    const payloads = [...raw.matchAll(/"data": ?"([^"]+)"/g)].map(([, data]) =>
      Buffer.from(data ?? '', 'base64'),
    );
    expect(payloads.length).toBeGreaterThan(10);
    const summary = 'Grant storage.kv';
    for (const text of [input.digest, input.draftId, 'peculiar-words', summary, 'worker-encryption']) {
      expect(raw).not.toContain(text);
      expect(payloads.filter((data) => data.includes(text))).toEqual([]);
    }
    expect(raw).toContain('HEALTH_CHECK_FAILED'); // the type stays readable, for operators
  });
});
