import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { Client, WorkflowHandle } from '@temporalio/client';
import type proto from '@temporalio/proto';
import { createWorkflowStarter, type WorkflowStarter } from '../../api/workflow-starter.ts';
import { PlatformError } from '../../core/errors.ts';
import { consentWorkflowId, installWorkflowId } from '../../core/ids.ts';
import { fakeInstallActivities, installInput } from '../support/fake-install.ts';
import { fakeLifecycleActivities } from '../support/fake-lifecycle.ts';
import {
  failureCode,
  startWorkflowEnvironment,
  type WorkflowEnvironment,
} from '../support/workflow-environment.ts';

// What an operator reads of our workflows in the Temporal UI, which asks the server for the same.

const fakes = fakeInstallActivities();
const lifecycle = fakeLifecycleActivities();
const REQUESTED = [
  { capability: 'http.fetch' as const, scope: { hosts: ['api.example.com'] }, optional: false },
];
let environment: WorkflowEnvironment;
let client: Client;
let starter: WorkflowStarter;

beforeAll(async () => {
  environment = await startWorkflowEnvironment({ ...lifecycle.activities, ...fakes.activities });
  client = environment.client;
  starter = createWorkflowStarter(client);
});
afterAll(() => environment.stop());
beforeEach(() => {
  fakes.reset();
  lifecycle.reset();
});

const installOf = (input = installInput()): WorkflowHandle =>
  client.workflow.getHandle(installWorkflowId(input.tenantId, input.extensionId));

/** The current details that the UI asks a workflow for. */
async function detailsOf(handle: WorkflowHandle): Promise<string> {
  const { currentDetails } = await handle.query<proto.temporal.api.sdk.v1.IWorkflowMetadata>(
    '__temporal_workflow_metadata',
  );
  return currentDetails ?? '';
}

/** Summaries of activities and timers, in the order of the history; the codec encrypts them on the server. */
async function summariesOf(handle: WorkflowHandle): Promise<string[]> {
  const { events } = await handle.fetchHistory();
  const found = (events ?? []).flatMap(
    ({ userMetadata, activityTaskScheduledEventAttributes, timerStartedEventAttributes }) =>
      userMetadata?.summary && (activityTaskScheduledEventAttributes ?? timerStartedEventAttributes)
        ? [userMetadata.summary]
        : [],
  );
  const [codec] = client.options.loadedDataConverter.payloadCodecs;
  const decoded = (await codec?.decode(found)) ?? [];
  return decoded.map(({ data }) => JSON.parse(Buffer.from(data ?? []).toString()) as string);
}

describe('an install', () => {
  it('has a title, and one activity a step that says what it does', async () => {
    const input = installInput();
    await starter.startInstall(input);
    await installOf(input).result();
    const described = await installOf(input).describe();
    expect(await described.staticSummary()).toBe(`Install alga.hello 1.2.3 for tenant ${input.tenantId}`);
    expect(await summariesOf(installOf(input))).toEqual([
      'Write the row of the install',
      'Load the version into a runner and instantiate it',
      'Grant storage.kv in notes, secrets.get',
      'Apply config and secrets',
      'Ask GET /health',
      'Let the version serve',
    ]);
    expect(await detailsOf(installOf(input))).toMatch(
      /^\*\*Done\*\*\n\n- open: done, \d+ ms\n- consent: done/,
    );
  });

  it('tells while it waits for consent who has to decide on what, and until when', async () => {
    fakes.script({ openInstall: () => ({ requested: REQUESTED, attempts: 1 }) });
    const input = installInput({ consent: [] });
    await starter.startInstall(input);
    await installOf(input).result();
    const wait = client.workflow.getHandle(consentWorkflowId(input.installId, input.versionId));
    const described = await wait.describe();
    expect(await described.staticSummary()).toBe('Wait for consent: http.fetch to api.example.com');
    const attributes = described.typedSearchAttributes.getAll().map(({ key, value }) => [key.name, value]);
    expect(Object.fromEntries(attributes)).toMatchObject({
      ExtName: 'alga.hello',
      ExtRequestedBy: 'key:admin',
    });
    const details = await detailsOf(wait);
    expect(details).toContain(`Waits for an admin of tenant ${input.tenantId}`);
    expect(details).toContain('- required: http.fetch to api.example.com\n- may be left out: nothing');
    expect(await summariesOf(wait)).toEqual([
      'Until then an admin has to decide, else it counts as declined',
    ]);
    expect(await detailsOf(installOf(input))).toContain(consentWorkflowId(input.installId, input.versionId));
    await starter.decideConsent(input, { decision: 'decline', decidedBy: 'key-9' });
    await wait.result();
    expect(await detailsOf(wait)).toBe('**Declined** by key-9.');
  });

  it('tells of a failure what failed, after how many attempts, what was undone and what to do', async () => {
    let attempts = 0;
    fakes.script({
      warmInstall: () => {
        attempts += 1;
        throw attempts < 2
          ? new PlatformError('RUNNER_BUSY', 'no free sandbox')
          : new PlatformError('GUEST_TRAPPED', 'it trapped');
      },
    });
    const input = installInput();
    await starter.startInstall(input);
    const failure = await installOf(input)
      .result()
      .then(
        () => '',
        (err: unknown) => ((err as Error).cause as Error).message,
      );
    expect(failure).toMatch(
      /^warm failed after 2 attempts: it trapped \(GUEST_TRAPPED\)\. Undone: configure, consent, open\. What to do: /,
    );
    expect(await detailsOf(installOf(input))).toContain(`**Failed.** ${failure}`);
  });

  it('says which step could not be undone', async () => {
    fakes.script({
      probeInstall: () => Promise.reject(new PlatformError('HEALTH_CHECK_FAILED', 'answered 500')),
      clearSettings: () => Promise.reject(new PlatformError('NOT_FOUND', 'no such row')),
    });
    const input = installInput();
    await starter.startInstall(input);
    await failureCode(installOf(input).result());
    expect(await detailsOf(installOf(input))).toContain('**Could not be undone: configure.**');
  });
});

describe('a narrowing of grants', () => {
  const { tenantId, extensionId, extension, installId } = installInput();
  const input = { tenantId, extensionId, extension, installId, requestedBy: 'key-1', digest: 'd' };
  const notes = [{ capability: 'storage.kv' as const, scope: { namespaces: ['notes'] } }];
  const handle = () => client.workflow.getHandle(installWorkflowId(tenantId, extensionId));

  it('says what is left', async () => {
    fakes.script({ narrowGrants: () => ({ grants: notes }) });
    await starter.narrowGrants({ ...input, grants: notes });
    await handle().result();
    expect(await (await handle().describe()).staticSummary()).toBe(
      `Narrow grants of alga.hello for tenant ${tenantId}`,
    );
    expect(await summariesOf(handle())).toEqual(['Leave of the grants storage.kv in notes']);
    expect(await detailsOf(handle())).toBe('**Done:** what is left is storage.kv in notes.');
  });

  it('is refused with what is wrong with it, and while another operation runs', async () => {
    fakes.script({ narrowGrants: () => Promise.reject(new PlatformError('CONSENT_INVALID', 'wider')) });
    await expect(starter.narrowGrants({ ...input, grants: notes })).rejects.toMatchObject({
      code: 'CONSENT_INVALID',
    });
    expect(await detailsOf(handle())).toContain('**Failed:** wider (CONSENT_INVALID). Nothing was changed.');
    const warming = Promise.withResolvers<{ attempts: number }>();
    fakes.script({ warmInstall: () => warming.promise });
    await starter.startInstall(installInput({ tenantId, extensionId }));
    await expect(starter.narrowGrants({ ...input, grants: notes })).rejects.toMatchObject({
      code: 'OPERATION_RUNNING',
      details: { operation: 'install' },
    });
    warming.resolve({ attempts: 1 });
    await handle().result();
  });
});

describe('an operation', () => {
  it('has a title, is found by who asked for it, and fails with its story', async () => {
    lifecycle.script({ probeInstall: () => Promise.reject(new PlatformError('HEALTH_CHECK_FAILED', 'no')) });
    fakes.script({ probeInstall: () => Promise.reject(new PlatformError('HEALTH_CHECK_FAILED', 'no')) });
    const { tenantId, extensionId, extension, installId } = installInput();
    const input = { tenantId, extensionId, extension, installId, requestedBy: 'key-1' };
    await starter.operateInstall('enable', input);
    const handle = client.workflow.getHandle(installWorkflowId(tenantId, extensionId));
    expect(await failureCode(handle.result())).toBe('HEALTH_CHECK_FAILED');
    const described = await handle.describe();
    expect(await described.staticSummary()).toBe(`Enable alga.hello for tenant ${tenantId}`);
    const attributes = described.typedSearchAttributes.getAll().map(({ key, value }) => [key.name, value]);
    expect(Object.fromEntries(attributes)).toMatchObject({
      ExtName: 'alga.hello',
      ExtRequestedBy: 'key-1',
      ExtPhase: 'enable: failed',
    });
    expect(await summariesOf(handle)).toEqual([
      'Take the row for enable',
      'Load the version into a runner and instantiate it',
      'Ask GET /health',
      'Show in the row that enable failed',
    ]);
  });
});
