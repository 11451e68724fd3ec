import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { Client, WorkflowHandle } from '@temporalio/client';
import { PlatformError } from '../../core/errors.ts';
import { consentWorkflowId, installWorkflowId } from '../../core/ids.ts';
import { fromTemporalError } from '../../platform/temporal/failures.ts';
import type { installExtension } from '../../workflows/install-extension.ts';
import type { awaitConsent } from '../../workflows/await-consent.ts';
import { consentUpdate, type ConsentDecision } from '../../workflows/messages.ts';
import { eventually } from '../support/eventually.ts';
import {
  beginConfigure,
  beginInstall,
  fakeInstallActivities,
  installInput,
} from '../support/fake-install.ts';
import {
  failureCode,
  stepStatuses,
  startWorkflowEnvironment,
  type WorkflowEnvironment,
} from '../support/workflow-environment.ts';

const fakes = fakeInstallActivities();
let environment: WorkflowEnvironment;
let client: Client;

beforeAll(async () => {
  environment = await startWorkflowEnvironment(fakes.activities);
  client = environment.client;
});
afterAll(() => environment.stop());
beforeEach(() => fakes.reset());

describe('two operations on one install', () => {
  it('joins the running one when the input is the same', async () => {
    const warming = Promise.withResolvers<{ attempts: number }>();
    fakes.script({ warmInstall: () => warming.promise });
    const input = installInput();
    const first = await beginInstall(client, input);
    const second = await beginInstall(client, { ...input, draftId: randomUUID() });
    warming.resolve({ attempts: 1 });
    expect((await second.result()).status).toBe('active');
    expect((await second.describe()).runId).toBe((await first.describe()).runId);
    expect(fakes.names().filter((name) => name === 'openInstall')).toHaveLength(1);
  });

  it('refuses another input, and says what is running', async () => {
    const warming = Promise.withResolvers<{ attempts: number }>();
    fakes.script({ warmInstall: () => warming.promise });
    const input = installInput();
    const handle = await beginInstall(client, input);
    const refusal = await beginInstall(client, { ...input, digest: 'digest-2' }).then(
      () => undefined,
      (err: unknown) => fromTemporalError(err),
    );
    expect(refusal?.code).toBe('OPERATION_RUNNING');
    expect(refusal?.details).toEqual({ operation: 'install', digest: 'digest-1' });
    warming.resolve({ attempts: 1 });
    await handle.result();
  });

  it('takes the same id again after the first has ended', async () => {
    const input = installInput();
    await (await beginInstall(client, input)).result();
    expect((await (await beginInstall(client, { ...input, digest: 'digest-2' })).result()).status).toBe(
      'active',
    );
  });
});

describe('consent', () => {
  /** An install that was left to a person, and the workflow that waits for them. */
  async function beginWaiting(input = installInput({ consent: [] })) {
    const ended = await (await beginInstall(client, input)).result();
    expect(ended.status).toBe('awaiting-consent');
    const waiting: WorkflowHandle<typeof awaitConsent> = client.workflow.getHandle(
      consentWorkflowId(input.installId, input.versionId),
    );
    const decide = (decision: Omit<ConsentDecision, 'decidedBy'>) =>
      waiting.executeUpdate(consentUpdate, { args: [{ decidedBy: 'key:other', ...decision }] });
    const operation: WorkflowHandle<typeof installExtension> = client.workflow.getHandle(
      installWorkflowId(input.tenantId, input.extensionId),
    );
    return { input, waiting, decide, operation };
  }

  it('is not asked for when only optional capabilities are left out', async () => {
    await (await beginInstall(client, installInput({ consent: ['storage.kv'] }))).result();
    expect(fakes.inputOf('grantCapabilities')).toMatchObject({ grants: [{ capability: 'storage.kv' }] });
  });

  it('is waited for by a workflow of its own, and the install holds its id no longer', async () => {
    const { input, waiting, decide } = await beginWaiting();
    expect(fakes.names()).toEqual(['openInstall', 'waitForConsent']);
    expect((await waiting.describe()).status.name).toBe('RUNNING');
    const { tenantId, extensionId, extension, installId, draftId } = input;
    const ids = { tenantId, extensionId, extension, installId };
    const configured = { ...ids, draftId, requestedBy: 'key', digest: 'other' };
    await (await beginConfigure(client, configured)).result();
    await decide({ decision: 'decline' });
  });

  it('is waited for once, whatever repeats of the install begin after it was left', async () => {
    const { input, waiting, decide, operation } = await beginWaiting();
    const repeat = await beginInstall(client, input);
    expect((await repeat.result()).status).toBe('awaiting-consent');
    expect((await waiting.describe()).status.name).toBe('RUNNING');
    expect(fakes.names()).toEqual(['openInstall', 'waitForConsent', 'openInstall', 'waitForConsent']);
    await decide({ decision: 'grant' });
    expect((await operation.result()).status).toBe('active');
  });

  it('starts the operation after a grant, with the optional ones it names', async () => {
    const { decide, operation } = await beginWaiting();
    expect(await decide({ decision: 'grant', capabilities: [] })).toEqual({ status: 'installing' });
    expect((await operation.result()).status).toBe('active');
    expect(fakes.inputOf('grantCapabilities')).toMatchObject({
      grants: [{ capability: 'storage.kv', scope: { namespaces: ['notes'] } }],
      grantedBy: 'key:other',
    });
  });

  it('grants the scopes that the decision gives in the place of those asked for', async () => {
    const { decide, operation } = await beginWaiting();
    const narrowed = [{ capability: 'secrets.get' as const, scope: { names: ['TOKEN'] } }];
    await decide({ decision: 'grant', narrowed });
    await operation.result();
    expect(fakes.inputOf('grantCapabilities')).toMatchObject({
      grants: [{ capability: 'storage.kv', scope: { namespaces: ['notes'] } }, ...narrowed],
    });
  });

  it('grants everything asked for when the decision names nothing', async () => {
    const { decide, operation } = await beginWaiting();
    await decide({ decision: 'grant' });
    await operation.result();
    expect((fakes.inputOf('grantCapabilities')['grants'] as unknown[]).length).toBe(2);
  });

  it('waits its turn when another operation holds the install', async () => {
    const applying = Promise.withResolvers<{
      configVersion: number;
      secretsVersion: number;
      attempts: number;
    }>();
    const { input, decide, operation } = await beginWaiting();
    fakes.script({ applyDraft: () => applying.promise });
    const { tenantId, extensionId, extension, installId, draftId } = input;
    const ids = { tenantId, extensionId, extension, installId };
    const configured = { ...ids, draftId, requestedBy: 'key', digest: 'other' };
    const configuring = beginConfigure(client, configured);
    await eventually(() => expect(fakes.names()).toContain('applyDraft'));
    const decided = decide({ decision: 'grant' });
    applying.resolve({ configVersion: 1, secretsVersion: 0, attempts: 1 });
    await (await configuring).result();
    expect(await decided).toEqual({ status: 'installing' });
    await eventually(async () => expect((await operation.result()).status).toBe('active'));
  });

  it('ends declined, with the draft gone, when it is refused', async () => {
    const { waiting, decide } = await beginWaiting();
    expect(await decide({ decision: 'decline' })).toEqual({ status: 'declined' });
    expect(await waiting.result()).toEqual({ status: 'declined' });
    expect(fakes.names().slice(-2)).toEqual(['endInstall', 'discardDraft']);
    expect(fakes.inputOf('endInstall')).toMatchObject({ status: 'declined' });
    expect(stepStatuses(fakes.inputOf('endInstall') as never)).toMatchObject({
      open: 'done',
      consent: 'done',
      configure: 'pending',
    });
    expect(fakes.names()).not.toContain('grantCapabilities');
  });

  it('ends declined when the waiting is cancelled', async () => {
    const { waiting } = await beginWaiting();
    await waiting.cancel();
    await failureCode(waiting.result());
    expect((await waiting.describe()).status.name).toBe('CANCELLED');
    expect(fakes.inputOf('endInstall')).toMatchObject({ status: 'declined' });
  });

  it('ends the row when the version can no longer be installed after a grant', async () => {
    const { decide, operation } = await beginWaiting();
    fakes.script({ openInstall: () => Promise.reject(new PlatformError('NOT_FOUND', 'revoked')) });
    await decide({ decision: 'grant' });
    expect(await failureCode(operation.result())).toBe('NOT_FOUND');
    expect(fakes.inputOf('endInstall')).toMatchObject({ status: 'failed', error: { code: 'NOT_FOUND' } });
  });

  it('refuses a decision that names what the version does not ask for, and a second one', async () => {
    const { decide, operation } = await beginWaiting();
    const code = (capabilities: string[]) => failureCode(decide({ decision: 'grant', capabilities }));
    expect(await code(['http.fetch'])).toBe('CONSENT_INVALID');
    await decide({ decision: 'grant', capabilities: [] });
    expect(await code([])).not.toBeUndefined();
    await operation.result();
  });
});
