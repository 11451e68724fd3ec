import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Worker, type ReplayWorkerOptions } from '@temporalio/worker';
import { globalHandlers } from '@temporalio/worker/lib/workflow/vm-shared.js';
import { createDataConverter } from '../../platform/temporal/data-converter.ts';
import { bundleWorkflows, TEST_CODEC_KEY } from '../support/workflow-environment.ts';

// Workflows that run when a new version is deployed go on with the new code: each recorded history must lead it to the same commands.

const FOLDER = path.join(import.meta.dirname, 'histories');
const files = readdirSync(FOLDER).filter((name) => name.endsWith('.json'));
let options: ReplayWorkerOptions;

beforeAll(async () => {
  options = { workflowBundle: await bundleWorkflows(), dataConverter: createDataConverter([TEST_CODEC_KEY]) };
});

const read = (name: string): string => readFileSync(path.join(FOLDER, name), 'utf8');

// The replayer hooks every promise of this process, and the next test file may run in it.
afterAll(() => {
  globalHandlers.uninstall();
});

describe('recorded histories', () => {
  it.each(files)('%s leads to the same commands', async (name) => {
    await expect(Worker.runReplayHistory(options, JSON.parse(read(name)))).resolves.toBeUndefined();
  });

  it('exist for each workflow, a roll-back among them', () => {
    for (const name of [
      'publish-bundle-published',
      'install-extension-active',
      'install-extension-rolled-back',
      'install-extension-awaits-consent',
      'await-consent-granted',
      'upgrade-install-done',
      'upgrade-install-restored',
      'upgrade-install-awaits-consent',
      'await-settings-given',
      'rollback-install-done',
      'configure-install-applied',
      'enable-install-done',
      'enable-install-failed',
      'disable-install-done',
      'pause-install-done',
      'resume-install-done',
      'narrow-grants-done',
      'uninstall-install-done',
      'restore-install-done',
      'purge-install-purged',
      'trust-key-done',
      'revoke-key-done',
      'revoke-version-done',
      'sign-version-done',
      'judge-published-done',
      'transfer-publisher-done',
      'adopt-trust-bundle-done',
      'adopt-trust-bundle-goes-on',
      'housekeeping-done',
    ]) {
      expect(files.some((file) => file.startsWith(name))).toBe(true);
    }
  });

  it('are refused when they disagree with the code', async () => {
    const name = files.find((file) => file.startsWith('install-extension-active')) ?? '';
    const other = read(name).replaceAll('"warmInstall"', '"coolInstall"');
    await expect(Worker.runReplayHistory(options, JSON.parse(other))).rejects.toMatchObject({
      name: 'DeterminismViolationError',
    });
  });
});

describe('recording histories', () => {
  it.each([
    ['under a name that has some, which must stay as they are', '0.1.0', 'there are histories of 0.1.0'],
    ['under a name that leads elsewhere', '../0.9.0', 'usage:'],
  ])('is refused %s', (_case, name, reason) => {
    const script = path.join(import.meta.dirname, 'record-histories.ts');
    const { status, stderr } = spawnSync(process.execPath, [script, name], { encoding: 'utf8', env: {} });
    expect(status).toBe(1);
    expect(stderr).toContain(reason);
  });
});
