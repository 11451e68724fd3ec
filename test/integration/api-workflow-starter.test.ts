import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { createWorkflowStarter, type WorkflowStarter } from '../../api/workflow-starter.ts';
import { PlatformError } from '../../core/errors.ts';
import { installWorkflowId } from '../../core/ids.ts';
import { connectTemporal } from '../../platform/temporal/client.ts';
import { eventually } from '../support/eventually.ts';
import { fakeInstallActivities, installInput } from '../support/fake-install.ts';
import {
  createTestNamespace,
  startWorkers,
  startWorkflowEnvironment,
  TEST_CODEC_KEY,
  type WorkflowEnvironment,
} from '../support/workflow-environment.ts';

const fakes = fakeInstallActivities();
let environment: WorkflowEnvironment;
let starter: WorkflowStarter;

beforeAll(async () => {
  environment = await startWorkflowEnvironment(fakes.activities);
  starter = createWorkflowStarter(environment.client);
});
afterAll(() => environment.stop());
beforeEach(() => fakes.reset());

describe('the workflow starter', () => {
  it('starts an install under its natural id, findable by what it is about', async () => {
    const input = installInput();
    await expect(starter.startInstall(input)).resolves.toEqual({
      installId: input.installId,
      draftId: input.draftId,
    });
    const workflowId = installWorkflowId(input.tenantId, input.extensionId);
    const handle = environment.client.workflow.getHandle(workflowId);
    await handle.result();
    await eventually(async () => {
      const found: string[] = [];
      const query = `ExtTenantId = '${input.tenantId}' and ExtContentHash = '${input.contentHash}'`;
      for await (const run of environment.client.workflow.list({ query })) found.push(run.workflowId);
      expect(found).toEqual([workflowId]);
    });
  });

  it('joins the same install that runs, under the id of the first, and refuses another', async () => {
    const warming = Promise.withResolvers<{ attempts: number }>();
    fakes.script({ warmInstall: () => warming.promise });
    const input = installInput();
    await starter.startInstall(input);
    const again = { ...input, installId: randomUUID(), draftId: randomUUID() };
    const { installId, draftId } = input;
    await expect(starter.startInstall(again)).resolves.toEqual({ installId, draftId });
    await expect(starter.startInstall({ ...input, digest: 'other' })).rejects.toMatchObject({
      code: 'OPERATION_RUNNING',
      details: { operation: 'install' },
    });
    await expect(starter.configureInstall({ ...input, digest: 'other' })).rejects.toMatchObject({
      code: 'OPERATION_RUNNING',
    });
    warming.resolve({ attempts: 1 });
  });

  it('passes a decision on to what waits for it', async () => {
    const input = installInput({ consent: [] });
    await starter.startInstall(input);
    const decision = { decision: 'decline', decidedBy: 'key' } as const;
    const answer = await eventually(() => starter.decideConsent(input, decision));
    expect(answer).toEqual({ status: 'declined' });
  });

  it('answers a change of settings with what came of it', async () => {
    await expect(starter.configureInstall(installInput())).resolves.toMatchObject({ configVersion: 1 });
  });

  it('passes on the code that opening failed with', async () => {
    fakes.script({
      openInstall: () => {
        throw new PlatformError('INSTALL_EXISTS', 'it is installed');
      },
    });
    await expect(starter.startInstall(installInput())).rejects.toMatchObject({ code: 'INSTALL_EXISTS' });
  });

  it('says STATE_CONFLICT about consent that nothing waits for', async () => {
    const decision = { decision: 'grant', decidedBy: 'key' } as const;
    await expect(starter.decideConsent(installInput(), decision)).rejects.toMatchObject({
      code: 'STATE_CONFLICT',
    });
  });

  it('does not say that nothing was begun when no worker has answered yet: the work is done once one comes', async () => {
    const { client, address, namespace, close } = await createTestNamespace();
    const input = installInput();
    const waiting = createWorkflowStarter(client, { openWithinMs: 500 });
    for (const start of [waiting.startInstall(input), waiting.startInstall(input)]) {
      await expect(start).rejects.toMatchObject({ code: 'TEMPORAL_OUTCOME_UNKNOWN' });
    }
    const workers = await startWorkers({ address, namespace }, fakes.activities);
    const handle = client.workflow.getHandle(installWorkflowId(input.tenantId, input.extensionId));
    await expect(handle.result()).resolves.toMatchObject({ status: 'active' });
    await workers.stop();
    await close();
  });

  it('says TEMPORAL_UNAVAILABLE where no server answers', async () => {
    const away = connectTemporal({
      address: '127.0.0.1:1',
      namespace: 'default',
      codecKeys: [TEST_CODEC_KEY],
    });
    await expect(createWorkflowStarter(away.client).startInstall(installInput())).rejects.toMatchObject({
      code: 'TEMPORAL_UNAVAILABLE',
    });
    await away.close();
  });
});
