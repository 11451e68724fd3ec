import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { Client } from '@temporalio/client';
import { PlatformError } from '../../core/errors.ts';
import { fromTemporalError } from '../../platform/temporal/failures.ts';
import type { ConfigureInstallInput } from '../../workflows/messages.ts';
import { eventually } from '../support/eventually.ts';
import {
  beginConfigure,
  beginInstall,
  fakeInstallActivities,
  installInput,
} from '../support/fake-install.ts';
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

function configureInput(overrides: Partial<ConfigureInstallInput> = {}): ConfigureInstallInput {
  return {
    tenantId: randomUUID(),
    extensionId: randomUUID(),
    extension: 'alga.hello',
    installId: randomUUID(),
    draftId: randomUUID(),
    requestedBy: 'key:admin',
    digest: 'digest-1',
    ...overrides,
  };
}

describe('a change of settings', () => {
  it('applies the draft and answers the versions it led to', async () => {
    fakes.script({ applyDraft: () => ({ configVersion: 4, secretsVersion: 2, attempts: 1 }) });
    const input = configureInput();
    const handle = await beginConfigure(client, input);
    expect(await handle.result()).toEqual({ configVersion: 4, secretsVersion: 2 });
    expect(fakes.calls).toEqual([
      {
        name: 'applyDraft',
        input: { tenantId: input.tenantId, installId: input.installId, draftId: input.draftId },
      },
    ]);
  });

  it('tells its caller what it failed with, and leaves the reason with the draft', async () => {
    fakes.script({ applyDraft: () => Promise.reject(new PlatformError('STATE_CONFLICT', 'draft expired')) });
    expect(await failureCode(beginConfigure(client, configureInput()))).toBe('STATE_CONFLICT');
    expect(fakes.names()).toEqual(['applyDraft', 'discardDraft']);
    expect(fakes.inputOf('discardDraft')).toMatchObject({
      error: { code: 'STATE_CONFLICT', message: 'draft expired' },
    });
  });

  it('is refused while the extension is being installed, and says so', async () => {
    const warming = Promise.withResolvers<{ attempts: number }>();
    fakes.script({ warmInstall: () => warming.promise });
    const install = installInput();
    const handle = await beginInstall(client, install);
    const { tenantId, extensionId } = install;
    const refusal = await beginConfigure(client, configureInput({ tenantId, extensionId })).then(
      () => undefined,
      (err: unknown) => fromTemporalError(err),
    );
    expect(refusal).toMatchObject({
      code: 'OPERATION_RUNNING',
      details: { operation: 'install', digest: install.digest },
    });
    warming.resolve({ attempts: 1 });
    await handle.result();
  });

  it('is joined by a caller with the same input and refuses another', async () => {
    const applying = Promise.withResolvers<{
      configVersion: number;
      secretsVersion: number;
      attempts: number;
    }>();
    fakes.script({ applyDraft: () => applying.promise });
    const input = configureInput();
    const first = beginConfigure(client, input);
    await eventually(() => expect(fakes.names()).toContain('applyDraft'));
    const second = beginConfigure(client, { ...input, draftId: randomUUID() });
    expect(await failureCode(beginConfigure(client, { ...input, digest: 'digest-2' }))).toBe(
      'OPERATION_RUNNING',
    );
    applying.resolve({ configVersion: 1, secretsVersion: 0, attempts: 1 });
    expect((await (await second).describe()).runId).toBe((await (await first).describe()).runId);
    expect(fakes.names()).toEqual(['applyDraft']);
  });
});
