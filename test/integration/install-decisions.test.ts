import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { Client, WorkflowHandle } from '@temporalio/client';
import { fromTemporalError } from '../../platform/temporal/failures.ts';
import type { installExtension } from '../../workflows/install-extension.ts';
import { consentUpdate, installProgressQuery } from '../../workflows/messages.ts';
import { eventually } from '../support/eventually.ts';
import { beginInstall, fakeInstallActivities, installInput } from '../support/fake-install.ts';
import {
  failureCode,
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
    fakes.script({ warmVersion: () => warming.promise });
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
    fakes.script({ warmVersion: () => warming.promise });
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
  async function beginWaiting(): Promise<WorkflowHandle<typeof installExtension>> {
    const handle = await beginInstall(client, installInput({ consent: [] }));
    await eventually(async () =>
      expect((await handle.query(installProgressQuery)).status).toBe('awaiting-consent'),
    );
    return handle;
  }

  it('is not asked for when only optional capabilities are left out', async () => {
    await (await beginInstall(client, installInput({ consent: ['storage.kv'] }))).result();
    expect(fakes.inputOf('grantCapabilities')).toMatchObject({ grants: [{ capability: 'storage.kv' }] });
  });

  it('is waited for, and shown in the row, when a required capability is missing', async () => {
    const handle = await beginWaiting();
    await eventually(() => expect(fakes.names()).toContain('saveInstallProgress'));
    expect(fakes.inputOf('saveInstallProgress')).toMatchObject({ status: 'awaiting-consent' });
    expect(fakes.names()).not.toContain('grantCapabilities');
    await handle.executeUpdate(consentUpdate, { args: [{ decision: 'decline', decidedBy: 'key:admin' }] });
  });

  it('goes on after a grant, with the optional ones it names', async () => {
    const handle = await beginWaiting();
    const answer = await handle.executeUpdate(consentUpdate, {
      args: [{ decision: 'grant', capabilities: [], decidedBy: 'key:other' }],
    });
    expect(answer).toEqual({ status: 'installing' });
    expect((await handle.result()).status).toBe('active');
    expect(fakes.inputOf('grantCapabilities')).toMatchObject({
      grants: [{ capability: 'storage.kv', scope: { namespaces: ['notes'] } }],
      grantedBy: 'key:other',
    });
  });

  it('grants everything asked for when the decision names nothing', async () => {
    const handle = await beginWaiting();
    await handle.executeUpdate(consentUpdate, { args: [{ decision: 'grant', decidedBy: 'key:admin' }] });
    await handle.result();
    expect((fakes.inputOf('grantCapabilities')['grants'] as unknown[]).length).toBe(2);
  });

  it('ends declined, with the draft gone, when it is refused', async () => {
    const handle = await beginWaiting();
    const answer = await handle.executeUpdate(consentUpdate, {
      args: [{ decision: 'decline', decidedBy: 'key:admin' }],
    });
    expect(answer).toEqual({ status: 'declined' });
    expect((await handle.result()).status).toBe('declined');
    expect(fakes.names().slice(-2)).toEqual(['discardDraft', 'endInstall']);
    expect(fakes.inputOf('endInstall')).toMatchObject({ status: 'declined' });
    expect(fakes.names()).not.toContain('grantCapabilities');
  });

  it('refuses a decision that names what the version does not ask for', async () => {
    const handle = await beginWaiting();
    const decide = (capabilities: string[]): Promise<unknown> =>
      handle.executeUpdate(consentUpdate, {
        args: [{ decision: 'grant', capabilities, decidedBy: 'key:admin' }],
      });
    expect(await failureCode(decide(['http.fetch']))).toBe('CONSENT_INVALID');
    await decide([]);
    await handle.result();
  });

  it('refuses a decision while the install does not wait for one', async () => {
    const warming = Promise.withResolvers<{ attempts: number }>();
    fakes.script({ warmVersion: () => warming.promise });
    const handle = await beginInstall(client);
    const decision = handle.executeUpdate(consentUpdate, {
      args: [{ decision: 'grant', decidedBy: 'key:admin' }],
    });
    expect(await failureCode(decision)).toBe('STATE_CONFLICT');
    warming.resolve({ attempts: 1 });
    await handle.result();
  });
});
