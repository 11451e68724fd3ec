import { mkdtempSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { z } from 'zod';
import { startContainers } from '../containers/container-platform.ts';
import { startPlatform } from '../support/platform.ts';
import { printReport } from './report.ts';
import { storm } from './storm.ts';

// `npm run storm -- --seed 7 --seconds 240`: disturbs a platform of its own at work and checks what is left. Exits with 1 on a violation.

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: String(Date.now()) },
    seconds: { type: 'string', default: '120' },
    /** Longest wait between rounds for the platform to work again: the shorter, the fiercer. */
    recover: { type: 'string', default: '12' },
    /** The platform of `docker compose up`, in place of that of `npm start`; as root. */
    containers: { type: 'boolean', default: false },
  },
});
const { seconds, recover } = z
  .object({ seconds: z.coerce.number().positive(), recover: z.coerce.number().min(0) })
  .parse(values);

const log = (line: string): void => console.log(`${new Date().toISOString()} ${line}`);
const folder = mkdtempSync(path.join(os.tmpdir(), 'alga-storm-'));
const recordFile = path.join(folder, `requests-${values.seed}.jsonl`);
log('starting a platform');
const platform = await (values.containers ? startContainers() : startPlatform());
let failed = true;
try {
  const report = await storm({
    platform,
    seed: values.seed,
    seconds,
    recoverWithinMs: recover * 1_000,
    recordFile,
    log,
  });
  writeFileSync(path.join(folder, 'disturbances.json'), JSON.stringify(report.evidence.disturbed, null, 2));
  printReport(report);
  failed = report.findings.some(({ violations }) => violations.length > 0);
} finally {
  console.log(`\nseed ${values.seed}; every request with its answer, and every disturbance: ${folder}`);
  if (failed) console.log(`the platform's data: ${await platform.leave()}`);
  else await platform.close();
}
process.exitCode = failed ? 1 : 0;
