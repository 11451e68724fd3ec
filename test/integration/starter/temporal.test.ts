import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { createOutput } from '../../../starter/output.ts';
import { freePort } from '../../../starter/ports.ts';
import { createLedger } from '../../../starter/processes/ledger.ts';
import { createSupervisor, type Supervisor } from '../../../starter/processes/supervisor.ts';
import { findTemporalCli } from '../../../starter/services/temporal-cli.ts';
import { prepareTemporal, startTemporal } from '../../../starter/services/temporal-server.ts';
import { waitFor } from '../../../starter/wait-for.ts';
import { watchEnd } from '../../support/watch-end.ts';

describe('the Temporal server of one machine', () => {
  let folder: string;
  let supervisor: Supervisor;
  const { log, during } = createOutput(process.stdout, 'text');

  beforeEach(() => {
    folder = mkdtempSync(path.join(os.tmpdir(), 'alga-temporal-'));
    supervisor = createSupervisor({
      ledger: createLedger(path.join(folder, 'processes.json'), log),
      logsFolder: path.join(folder, 'logs'),
      log,
      health: { everyMs: 200, withinMs: 1_000, silentMs: 5_000, misses: 3 },
    });
  });
  afterEach(async () => {
    await supervisor.stopAll();
    rmSync(folder, { recursive: true });
  });

  it('is started again when it is frozen', async () => {
    const cli = await findTemporalCli({ environment: process.env, log, during });
    const server = await startTemporal({
      cli,
      dataDir: path.join(folder, 'temporal'),
      namespace: 'default',
      port: await freePort(),
      uiPort: await freePort(),
      supervisor,
    });
    const first = server.pid() ?? -1;
    const hasEnded = watchEnd(first);
    process.kill(first, 'SIGSTOP');
    expect(await waitFor(hasEnded, 60_000)).toBe(true);
    const serves = (): Promise<boolean> =>
      prepareTemporal({ address: server.address }, 'default').then(
        () => true,
        () => false, // not yet
      );
    expect(await waitFor(serves, 60_000)).toBe(true);
  });
});
