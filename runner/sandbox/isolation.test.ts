import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { testedIsolations } from '../../test/support/isolations.ts';
import { chooseIsolation } from './isolation.ts';

const onLinux = process.platform === 'linux' ? it : it.skip;
const behindWalls = (await testedIsolations()).includes('bubblewrap') ? it : it.skip;
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'isolation-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

/** A program that does this in bubblewrap's place. */
function inItsPlace(does: string): string {
  const file = path.join(folder, 'bwrap');
  writeFileSync(file, `#!/bin/sh\n${does}\n`, { mode: 0o700 });
  return file;
}

describe('the isolation of sandboxes', () => {
  onLinux('is the process alone where bubblewrap is missing, and says so', async () => {
    expect(await chooseIsolation('auto', { bwrap: path.join(folder, 'bwrap') })).toEqual({
      isolation: 'process',
      without: expect.stringContaining('bwrap') as unknown,
    });
  });

  onLinux('is the process alone where bubblewrap is forbidden to work, with its own words', async () => {
    const bwrap = inItsPlace('echo "bwrap: No permissions to create new namespace" >&2; exit 1');
    expect(await chooseIsolation('auto', { bwrap })).toEqual({
      isolation: 'process',
      without: 'bwrap: No permissions to create new namespace',
    });
  });

  onLinux('is the process alone where what is called bubblewrap makes no walls', async () => {
    const bwrap = inItsPlace('while [ "$1" != -- ]; do shift; done; shift; exec "$@"');
    expect(await chooseIsolation('auto', { bwrap })).toMatchObject({ isolation: 'process' });
  });

  onLinux(
    'is refused, with the reason and the way out, where it was demanded and does not work',
    async () => {
      const bwrap = inItsPlace('echo "bwrap: no" >&2; exit 1');
      await expect(chooseIsolation('bubblewrap', { bwrap })).rejects.toMatchObject({
        code: 'CONFIG_INVALID',
        message: expect.stringMatching(/bwrap: no\. Install bubblewrap.*docs\/security\.md/) as unknown,
      });
    },
  );

  behindWalls('is no weaker because the program it was tried with has been removed', async () => {
    const gone = { script: path.join(folder, 'gone/child.mjs'), readable: [path.join(folder, 'gone/')] };
    let asked = 0;
    const program = () => ((asked += 1) === 1 ? gone : undefined);
    expect(await chooseIsolation('auto', { program })).toEqual({ isolation: 'bubblewrap' });
  });

  it('is the process alone where that is asked for', async () => {
    expect(await chooseIsolation('process')).toMatchObject({ isolation: 'process' });
  });
});
