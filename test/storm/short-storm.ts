import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { RunningPlatform } from '../support/platform.ts';
import { storm } from './storm.ts';

/** Characters of a violation's evidence. */
const SHOWN = 2_000;

/** The short form of `npm run storm`; that one prints what it met and keeps the platform's data. */
export function describeShortStorm(of: string, start: () => Promise<RunningPlatform>): void {
  describe(`${of} whose processes are killed and frozen at work`, () => {
    const folder = mkdtempSync(path.join(os.tmpdir(), 'alga-storm-'));
    let platform: RunningPlatform;

    beforeAll(async () => {
      platform = await start();
    }, 900_000);
    afterAll(async () => {
      await platform.close();
      rmSync(folder, { recursive: true, force: true });
    });

    it('loses nothing, does nothing twice, tells nothing untrue and leaves nothing behind', async () => {
      const { evidence, findings } = await storm({
        platform,
        seed: '1',
        seconds: 30,
        recoverWithinMs: 3_000,
        recordFile: path.join(folder, 'requests.jsonl'),
        log: () => undefined,
      });
      const met = evidence.disturbed.filter(({ pid }) => pid !== undefined);
      expect(met.some(({ freezeMs }) => freezeMs === undefined)).toBe(true);
      expect(met.some(({ freezeMs }) => freezeMs !== undefined)).toBe(true);
      expect(evidence.sent.some(({ kind, status }) => kind === 'call' && status === 200)).toBe(true);
      const said = findings.flatMap(({ name, violations }) =>
        violations.map((violation) => `${name}: ${JSON.stringify(violation).slice(0, SHOWN)}`),
      );
      expect(said).toEqual([]);
    }, 420_000);
  });
}
