import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { Client } from '@temporalio/client';
import { PlatformError } from '../../core/errors.ts';
import { installWorkflowId } from '../../core/ids.ts';
import { installProgressQuery, type InstallProgress } from '../../workflows/messages.ts';
import { eventually } from '../support/eventually.ts';
import { beginInstall, fakeInstallActivities, installInput } from '../support/fake-install.ts';
import {
  failureCode,
  startWorkflowEnvironment,
  stepStatuses,
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

const ALL_DONE = {
  open: 'done',
  consent: 'done',
  configure: 'done',
  warm: 'done',
  probe: 'done',
  activate: 'done',
};

describe('an install', () => {
  it('opens, grants, configures, probes and activates, in this order, and warms before the probe', async () => {
    const input = installInput();
    const handle = await beginInstall(client, input);
    const result = await handle.result();
    expect(result.status).toBe('active');
    expect(stepStatuses(result)).toEqual(ALL_DONE);
    const names = fakes.names();
    expect(names.indexOf('warmInstall')).toBeLessThan(names.indexOf('probeInstall'));
    expect(names.filter((name) => name !== 'warmInstall')).toEqual([
      'openInstall',
      'grantCapabilities',
      'applyDraft',
      'probeInstall',
      'activateInstall',
    ]);
    expect(fakes.inputOf('grantCapabilities')).toMatchObject({
      grants: [
        { capability: 'storage.kv', scope: { namespaces: ['notes'] } },
        { capability: 'secrets.get', scope: {} },
      ],
      grantedBy: 'key:admin',
    });
    expect(fakes.inputOf('probeInstall')).toMatchObject({
      tenantId: input.tenantId,
      installId: input.installId,
      versionId: input.versionId,
      health: '/health',
    });
  });

  it('hands each activity the steps as they stand, its own running', async () => {
    await (await beginInstall(client)).result();
    const shown = fakes.calls.filter(({ input }) => 'steps' in input); // not the warm-up, which others run beside
    const running = shown.map(({ input }) =>
      (input as unknown as InstallProgress).steps
        .filter(({ status }) => status === 'running')
        .map(({ name }) => name),
    );
    expect(running).toEqual([['open'], ['consent'], ['configure'], ['probe'], ['activate']]);
    expect(stepStatuses(fakes.inputOf('activateInstall') as never)).toEqual({
      ...ALL_DONE,
      activate: 'running',
    });
  });

  it('loads the version beside its consent and its settings, and fails for it at its own step', async () => {
    const configured = Promise.withResolvers<undefined>();
    fakes.script({
      warmInstall: () => Promise.reject(new PlatformError('GUEST_TRAPPED', 'it trapped')),
      applyDraft: async () => {
        await configured.promise;
        return { configVersion: 1, secretsVersion: 1, attempts: 1 };
      },
    });
    const handle = await beginInstall(client);
    await eventually(() =>
      expect(fakes.names()).toEqual(expect.arrayContaining(['warmInstall', 'applyDraft'])),
    );
    configured.resolve(undefined);
    expect(await failureCode(handle.result())).toBe('GUEST_TRAPPED');
    expect(stepStatuses(await handle.query(installProgressQuery))).toMatchObject({
      ...{ open: 'undone', consent: 'undone', configure: 'undone', warm: 'failed', probe: 'pending' },
    });
  });

  it('takes the instantiation as the probe of a version without a health endpoint', async () => {
    fakes.script({ openInstall: () => ({ requested: [], attempts: 1 }) });
    const result = await (await beginInstall(client)).result();
    expect(stepStatuses(result)).toEqual(ALL_DONE);
    expect(fakes.names()).not.toContain('probeInstall');
  });

  it('can be found by tenant, extension, version, hash, phase and who asked for it', async () => {
    const input = installInput();
    const handle = await beginInstall(client, input);
    await handle.result();
    const { typedSearchAttributes } = await handle.describe();
    const found = typedSearchAttributes.getAll().map(({ key, value }) => [key.name, value]);
    expect(Object.fromEntries(found)).toMatchObject({
      ExtTenantId: input.tenantId,
      ExtName: 'alga.hello',
      ExtExtensionId: input.extensionId,
      ExtRequestedBy: 'key:admin',
      ExtVersion: '1.2.3',
      ExtContentHash: input.contentHash,
      ExtPhase: 'active',
    });
  });

  it('counts the attempts a step took', async () => {
    let attempts = 0;
    fakes.script({
      warmInstall: () => {
        attempts += 1;
        if (attempts < 2) throw new PlatformError('RUNNER_BUSY', 'no free sandbox');
        return { attempts };
      },
    });
    const result = await (await beginInstall(client)).result();
    expect(result.steps.find(({ name }) => name === 'warm')?.attempts).toBe(2);
  });
});

describe('an install that cannot be opened', () => {
  it('tells its caller why, and ends no row but its own', async () => {
    fakes.script({
      openInstall: () => Promise.reject(new PlatformError('INSTALL_EXISTS', 'installed already')),
    });
    const input = installInput();
    expect(await failureCode(beginInstall(client, input))).toBe('INSTALL_EXISTS');
    const handle = client.workflow.getHandle(installWorkflowId(input.tenantId, input.extensionId));
    expect(await failureCode(handle.result())).toBe('INSTALL_EXISTS');
    expect(fakes.names()).toEqual(['openInstall', 'discardDraft', 'endInstall']);
  });
});

describe('an install that fails', () => {
  const refused = () => Promise.reject(new PlatformError('HEALTH_CHECK_FAILED', 'answered 500'));

  it('undoes what it did, the last step first, and records why', async () => {
    fakes.script({ probeInstall: refused });
    const handle = await beginInstall(client);
    expect(await failureCode(handle.result())).toBe('HEALTH_CHECK_FAILED');
    expect(fakes.names().slice(fakes.names().indexOf('probeInstall'))).toEqual([
      'probeInstall',
      'clearSettings',
      'revokeCapabilities',
      'discardDraft',
      'endInstall',
    ]);
    const end = fakes.inputOf('endInstall');
    expect(end).toMatchObject({
      status: 'failed',
      error: { code: 'HEALTH_CHECK_FAILED', message: 'answered 500' },
    });
    expect(stepStatuses(end as never)).toEqual({
      open: 'undone',
      consent: 'undone',
      configure: 'undone',
      warm: 'done',
      probe: 'failed',
      activate: 'pending',
    });
    expect((await handle.query(installProgressQuery)).status).toBe('failed');
  });

  it('undoes a step that was cut off, since it may have worked', async () => {
    fakes.script({ applyDraft: () => Promise.reject(new PlatformError('STATE_CONFLICT', 'draft expired')) });
    expect(await failureCode((await beginInstall(client)).result())).toBe('STATE_CONFLICT');
    expect(fakes.names()).toContain('clearSettings');
  });

  it('undoes an activation that failed', async () => {
    fakes.script({
      activateInstall: () => Promise.reject(new PlatformError('STATE_CONFLICT', 'it has ended')),
    });
    expect(await failureCode((await beginInstall(client)).result())).toBe('STATE_CONFLICT');
    expect(fakes.names()).toContain('deactivateInstall');
  });

  it('tries every undo even if one cannot be done', async () => {
    fakes.script({
      probeInstall: refused,
      clearSettings: () => Promise.reject(new PlatformError('NOT_FOUND', 'no such row')),
    });
    expect(await failureCode((await beginInstall(client)).result())).toBe('HEALTH_CHECK_FAILED');
    expect(fakes.names().slice(-3)).toEqual(['revokeCapabilities', 'discardDraft', 'endInstall']);
    expect(stepStatuses(fakes.inputOf('endInstall') as never)['configure']).toBe('done');
  });

  it('rolls back when it is cancelled', async () => {
    const warming = Promise.withResolvers<{ attempts: number }>();
    fakes.script({ warmInstall: () => warming.promise });
    const handle = await beginInstall(client);
    await eventually(() => expect(fakes.names()).toContain('warmInstall'));
    await handle.cancel();
    await failureCode(handle.result());
    warming.resolve({ attempts: 1 });
    expect(fakes.names().slice(-4)).toEqual([
      'clearSettings',
      'revokeCapabilities',
      'discardDraft',
      'endInstall',
    ]);
    expect(fakes.inputOf('endInstall')).toMatchObject({
      status: 'failed',
      error: { code: 'OPERATION_CANCELLED' },
    });
    expect((await handle.describe()).status.name).toBe('CANCELLED');
  });
});
