import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { Client } from '@temporalio/client';
import { createWorkflowStarter } from '../../api/workflow-starter.ts';
import { isPlatformError, PlatformError, type ErrorCode } from '../../core/errors.ts';
import { publishWorkflowId } from '../../core/ids.ts';
import { publishProgressQuery, type PublishBundleInput } from '../../workflows/messages.ts';
import type { publishBundle } from '../../workflows/publish-bundle.ts';
import { eventually } from '../support/eventually.ts';
import { CONTENT_HASH, fakePublishActivities, publishInput } from '../support/fake-publish.ts';
import {
  failureCode,
  startWorkflowEnvironment,
  stepStatuses,
  type WorkflowEnvironment,
} from '../support/workflow-environment.ts';

const fakes = fakePublishActivities();
let environment: WorkflowEnvironment;
let client: Client;

beforeAll(async () => {
  environment = await startWorkflowEnvironment(fakes.activities);
  client = environment.client;
});
afterAll(() => environment.stop());
beforeEach(() => fakes.reset());

const rejecting = (code: ErrorCode) => () => Promise.reject(new PlatformError(code, `because of ${code}`));

describe('an upload', () => {
  const starter = () => createWorkflowStarter(client);
  const refusal = (asked: Promise<unknown>): Promise<unknown> =>
    asked.catch((err: unknown) => (isPlatformError(err) ? err.code : err));
  const soon = (ms: number): string => new Date(Date.now() + ms).toISOString();
  async function waiting(fields: Partial<PublishBundleInput> = {}) {
    const input = publishInput(fields);
    await starter().beginPublish(input);
    return {
      input,
      handle: client.workflow.getHandle<typeof publishBundle>(publishWorkflowId(input.uploadId)),
    };
  }

  it('waits, and does nothing, until it is finalized; then the caller is told what stands in the row', async () => {
    const { input, handle } = await waiting();
    expect((await handle.query(publishProgressQuery)).status).toBe('uploading');
    expect(fakes.names()).toEqual([]);
    const parts = [{ number: 1, etag: 'a' }];
    expect(await starter().finalizePublish(input, { parts })).toEqual({ status: 'verifying' });
    expect(stepStatuses(fakes.inputOf('openPublish') as never)['verify']).toBe('running');
    expect(fakes.inputOf('openPublish')).toMatchObject({ parts, requestedBy: input.requestedBy });
    expect((await handle.result()).status).toBe('published');
  });

  it('is taken once, however often it is finalized', async () => {
    const { input, handle } = await waiting();
    const asked = Array.from({ length: 3 }, () => starter().finalizePublish(input, {}));
    for (const { status } of await Promise.all(asked)) expect(status).toBe('verifying');
    await handle.result();
    expect(fakes.names().filter((name) => name === 'openPublish')).toHaveLength(1);
    expect(await refusal(starter().finalizePublish(input, {}))).toBe('STATE_CONFLICT');
  });

  it.each(['UPLOAD_INCOMPLETE', 'UPLOAD_MISMATCH'] as const)(
    'that is finalized in vain (%s) goes on waiting for what is missing',
    async (code) => {
      fakes.script({ openPublish: rejecting(code) });
      const { input, handle } = await waiting();
      expect(await refusal(starter().finalizePublish(input, {}))).toBe(code);
      expect((await handle.query(publishProgressQuery)).status).toBe('uploading');
      fakes.script({});
      await starter().finalizePublish(input, {});
      expect((await handle.result()).status).toBe('published');
    },
  );

  it('whose row has ended otherwise is waited for no more', async () => {
    fakes.script({ openPublish: rejecting('UPLOAD_CLOSED') });
    const { input, handle } = await waiting();
    expect(await refusal(starter().finalizePublish(input, {}))).toBe('UPLOAD_CLOSED');
    await handle.result();
    expect(fakes.names()).toEqual(['openPublish', 'removeStaging']);
  });

  it('that is aborted leaves nothing, and is neither finalized nor aborted again', async () => {
    const { input, handle } = await waiting();
    await starter().abortPublish(input);
    expect((await handle.result()).status).toBe('aborted');
    expect(fakes.names()).toEqual(['abortUpload', 'removeStaging']);
    expect(fakes.inputOf('abortUpload')).not.toHaveProperty('reason');
    expect(await refusal(starter().finalizePublish(input, {}))).toBe('STATE_CONFLICT');
    expect(await refusal(starter().abortPublish(input))).toBe('STATE_CONFLICT');
  });

  it('that is aborted and finalized at once becomes one of the two, and both callers are told so', async () => {
    const { input, handle } = await waiting();
    const opening = Promise.withResolvers<undefined>();
    fakes.script({
      openPublish: async () => {
        await opening.promise;
        return { contentHash: CONTENT_HASH };
      },
    });
    const finalized = starter().finalizePublish(input, {});
    await eventually(() => expect(fakes.names()).toContain('openPublish'));
    const aborted = refusal(starter().abortPublish(input));
    opening.resolve(undefined);
    expect(await finalized).toEqual({ status: 'verifying' });
    expect(await aborted).toMatch(/UPLOAD_CLOSED|STATE_CONFLICT/);
    expect((await handle.result()).status).toBe('published');
    expect(fakes.names()).not.toContain('abortUpload');
  });

  it('that nobody finalizes in time is given up, with the reason, and leaves nothing', async () => {
    const { handle } = await waiting({ expiresAt: soon(300) });
    expect((await handle.result()).status).toBe('aborted');
    expect(fakes.names()).toEqual(['abortUpload', 'removeStaging']);
    expect(fakes.inputOf('abortUpload')).toMatchObject({ reason: { code: 'OPERATION_EXPIRED' } });
  });

  it('that expires while it is being taken is published', async () => {
    const { input, handle } = await waiting({ expiresAt: soon(500) });
    const opening = Promise.withResolvers<undefined>();
    fakes.script({
      openPublish: async () => {
        await opening.promise;
        return { contentHash: CONTENT_HASH };
      },
    });
    const finalized = starter().finalizePublish(input, {});
    await eventually(async () => {
      const fired = (await handle.fetchHistory()).events?.some((event) => event.timerFiredEventAttributes);
      expect(fired).toBe(true);
    });
    opening.resolve(undefined);
    await finalized;
    expect((await handle.result()).status).toBe('published');
    expect(fakes.names()).not.toContain('abortUpload');
  });

  it('that an operator cancels is given up, with the reason', async () => {
    const { handle } = await waiting();
    await eventually(async () => expect((await handle.query(publishProgressQuery)).status).toBe('uploading'));
    await handle.cancel();
    await failureCode(handle.result());
    expect((await handle.describe()).status.name).toBe('CANCELLED');
    expect(fakes.names()).toEqual(['abortUpload', 'removeStaging']);
    expect(fakes.inputOf('abortUpload')).toMatchObject({ reason: { code: 'OPERATION_CANCELLED' } });
  });

  it('whose publish was lost is published all the same once it is finalized', async () => {
    const { input, handle } = await waiting();
    await handle.terminate('lost');
    await starter().finalizePublish(input, {});
    expect(await client.workflow.getHandle(publishWorkflowId(input.uploadId)).result()).toMatchObject({
      status: 'published',
    });
  });
});
